/** Colours of the picture: of stone and paper, by day and by night. */
export interface Palette {
  readonly around: string;
  readonly ground: string;
  readonly joint: string;
  readonly wall: string;
  readonly wallTop: string;
  readonly wallCut: string;
  readonly leaf: string;
  readonly leafCut: string;
  readonly water: string;
  readonly ink: string;
  readonly paper: string;
  readonly shade: string;
  readonly sun: TeamColours;
  readonly moon: TeamColours;
  readonly egg: string;
  readonly sweets: readonly string[];
  readonly paperFlags: readonly string[];
  readonly awnings: readonly string[];
}

export interface TeamColours {
  /** Of the body, of what is laid on it, and of a name on the ground. */
  readonly body: string;
  readonly second: string;
  readonly name: string;
  readonly wash: string;
}

const SWEETS = ["#e3246f", "#f2a81d", "#1f9e8f", "#7b4fc4", "#e85d2a"];

export const LIGHT: Palette = {
  around: "#e2d5cf",
  ground: "#f5ece6",
  joint: "#e8dbd2",
  wall: "#b98a72",
  wallTop: "#d9a98c",
  wallCut: "#f3d9c5",
  leaf: "#4d8a5c",
  leafCut: "#a9cfa4",
  water: "#8fc7d4",
  ink: "#2a1d22",
  paper: "#fffdfc",
  shade: "rgb(70 35 40 / 20%)",
  sun: { body: "#d81b60", second: "#f59a23", name: "#a60f48", wash: "rgb(216 27 96 / 13%)" },
  moon: { body: "#12798a", second: "#2f4ea8", name: "#0b5a68", wash: "rgb(18 121 138 / 14%)" },
  egg: "#fffdfc",
  sweets: SWEETS,
  paperFlags: ["#d81b60", "#f59a23", "#12798a", "#7b4fc4", "#4d8a5c"],
  awnings: ["#c9822a", "#7b4fc4", "#4d8a5c"],
};

export const DARK: Palette = {
  around: "#120d10",
  ground: "#2b2126",
  joint: "#35292f",
  wall: "#5b4034",
  wallTop: "#7a5747",
  wallCut: "#3a2a26",
  leaf: "#2f6644",
  leafCut: "#5d9a6c",
  water: "#2d6675",
  ink: "#f6edf0",
  paper: "#fff6ee",
  shade: "rgb(0 0 0 / 38%)",
  sun: { body: "#ff4f8b", second: "#ffb54a", name: "#ff9dbf", wash: "rgb(255 79 139 / 16%)" },
  moon: { body: "#35b5c4", second: "#8aa4ff", name: "#8fe0ea", wash: "rgb(53 181 196 / 16%)" },
  egg: "#fff6ee",
  sweets: ["#ff5c97", "#ffc14d", "#46d0be", "#b08cf0", "#ff8a5c"],
  paperFlags: ["#c9205f", "#c97b14", "#12798a", "#6a46a8", "#3d7350"],
  awnings: ["#a5691c", "#6a46a8", "#3d7350"],
};
