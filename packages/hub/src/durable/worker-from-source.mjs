// Tests run from source, and `tsx` does not reach the threads of a process by itself.
import { register } from "tsx/esm/api";

register();
await import("./worker.ts");
