export {
  defaultJwtOptions,
  jwt,
  type JwtKey,
  type JwtOptions,
  type JwtRefusal,
  type JwtRefusalReason,
} from "./tokens/jwt.ts";
export { defaultKeySetOptions, type KeySetOptions } from "./tokens/key-set.ts";
export type { TokenSource } from "./tokens/token-source.ts";
