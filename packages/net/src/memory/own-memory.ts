import { markAsUntransferable } from "node:worker_threads";

/**
 * Memory that is given away for good: whoever has it may keep it, change it and transfer it (decision 0011).
 *
 * Small pieces are cheapest out of Node's own pool, which many share. Node marks it untransferable. Whether
 * that also stops `ArrayBuffer.prototype.transfer`, which would empty everybody's pieces, is tried here:
 * Node 20 has no such method, Node 24 refuses, Node 22 does not. There every piece gets memory of its own,
 * which costs a microsecond.
 */
export const isPoolSafe: boolean = resistsTransfer();

function resistsTransfer(): boolean {
  const memory = new ArrayBuffer(8);
  markAsUntransferable(memory);
  for (const take of ["transfer", "transferToFixedLength"]) {
    const method: unknown = Reflect.get(memory, take);
    try {
      if (typeof method === "function") Reflect.apply(method, memory, []);
    } catch {
      // Refused, as it should be.
    }
  }
  try {
    structuredClone(memory, { transfer: [memory] });
  } catch {
    // Refused, too.
  }
  return memory.byteLength === 8;
}

/** Uninitialized memory of `length` bytes that belongs to whoever it is given to. */
export function ownMemory(length: number): Buffer {
  return isPoolSafe ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length);
}

/** A copy of `bytes` that belongs to whoever it is given to. */
export function ownCopy(bytes: Uint8Array): Buffer {
  const copy = ownMemory(bytes.length);
  copy.set(bytes);
  return copy;
}

let marked: ArrayBufferLike | undefined;

/**
 * Makes bytes read from a stream the receiver's own. If they share their memory with other bytes (Node 26
 * reads TLS so), that memory is marked untransferable.
 */
export function owned(bytes: Uint8Array): Uint8Array {
  const { buffer } = bytes;
  if (bytes.length === buffer.byteLength || buffer === marked) return bytes;
  if (!isPoolSafe) return ownCopy(bytes);
  markAsUntransferable(buffer);
  marked = buffer;
  return bytes;
}
