export type { Cell, KindLayout, Layout } from "./contracts/layout.ts";
export type { Rows } from "./contracts/rows.ts";
