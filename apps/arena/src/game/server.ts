import { ARENA, arenaRoom } from "./room.ts";

// As a file of `zocalo serve --rooms` has them: games by the name of their mode.
export default { [ARENA]: arenaRoom };
