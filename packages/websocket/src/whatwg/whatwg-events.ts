import {
  defineInterface,
  dictionary,
  domString,
  requireArguments,
  unsignedShort,
  usvString,
} from "./web-idl.ts";

/** What every event can be told. */
export interface EventOptions {
  readonly bubbles?: boolean;
  readonly cancelable?: boolean;
  readonly composed?: boolean;
}

/** What a `CloseEvent` can be made of. */
export interface CloseEventOptions extends EventOptions {
  readonly wasClean?: boolean;
  readonly code?: number;
  readonly reason?: string;
}

/** The event that ends a `WebSocket`, as in the DOM. */
export interface CloseEvent extends Event {
  /** False if messages may be missing, in either direction. */
  readonly wasClean: boolean;
  /** What the peer said; 1005 if it said nothing, 1006 if it did not close at all. */
  readonly code: number;
  readonly reason: string;
}

/** What a `MessageEvent` can be made of. */
export interface MessageEventOptions extends EventOptions {
  readonly data?: unknown;
  readonly origin?: string;
  readonly lastEventId?: string;
}

/** The event that carries a message, as in the DOM. */
export interface MessageEvent extends Event {
  /** A string, an `ArrayBuffer` or a `Blob`: see `binaryType`. */
  readonly data: string | ArrayBuffer | Blob;
  /** The server's origin. */
  readonly origin: string;
  /** Empty: it is for other kinds of messages. */
  readonly lastEventId: string;
  /** `null`, likewise. */
  readonly source: object | null;
  /** Empty, likewise. */
  readonly ports: readonly object[];
}

const NO_PORTS: readonly never[] = Object.freeze([]);

// Classes with types of their own: a private field would keep the DOM's events from being assignable to
// these.

class CloseEventClass extends Event implements CloseEvent {
  readonly #wasClean: boolean;
  readonly #code: number;
  readonly #reason: string;

  constructor(type: string, init: CloseEventOptions = {}) {
    requireArguments("CloseEvent", arguments.length, 1);
    const { bubbles, cancelable, composed, wasClean, code, reason } = dictionary(init);
    super(domString(type), eventOptions(bubbles, cancelable, composed));
    this.#wasClean = Boolean(wasClean);
    this.#code = code === undefined ? 0 : unsignedShort(code);
    this.#reason = reason === undefined ? "" : usvString(reason);
  }

  get wasClean(): boolean {
    return this.#wasClean;
  }

  get code(): number {
    return this.#code;
  }

  get reason(): string {
    return this.#reason;
  }
}
defineInterface(CloseEventClass, "CloseEvent");

class MessageEventClass extends Event implements MessageEvent {
  readonly #data: string | ArrayBuffer | Blob;
  readonly #origin: string;
  readonly #lastEventId: string;

  constructor(type: string, init: MessageEventOptions = {}) {
    requireArguments("MessageEvent", arguments.length, 1);
    const { bubbles, cancelable, composed, data = null, origin, lastEventId } = dictionary(init);
    super(domString(type), eventOptions(bubbles, cancelable, composed));
    this.#data = data as string; // Whatever a page puts in an event of its own.
    this.#origin = origin === undefined ? "" : usvString(origin);
    this.#lastEventId = lastEventId === undefined ? "" : domString(lastEventId);
  }

  get data(): string | ArrayBuffer | Blob {
    return this.#data;
  }

  get origin(): string {
    return this.#origin;
  }

  get lastEventId(): string {
    return this.#lastEventId;
  }

  get source(): null {
    return null;
  }

  get ports(): readonly never[] {
    return NO_PORTS;
  }
}
defineInterface(MessageEventClass, "MessageEvent");

function eventOptions(bubbles: unknown, cancelable: unknown, composed: unknown): EventInit {
  return { bubbles: Boolean(bubbles), cancelable: Boolean(cancelable), composed: Boolean(composed) };
}

type EventInit = NonNullable<ConstructorParameters<typeof Event>[1]>;

/** Makes the event that ends a `WebSocket`. */
export const CloseEvent: new (type: string, init?: CloseEventOptions) => CloseEvent = CloseEventClass;

/** Makes the event that carries a message. */
export const MessageEvent: new (type: string, init?: MessageEventOptions) => MessageEvent = MessageEventClass;

/** The events of a `WebSocket`, by name. */
export interface WebSocketEvents {
  readonly open: Event;
  readonly message: MessageEvent;
  readonly error: Event;
  readonly close: CloseEvent;
}

/** What `onopen` and the like can be. */
export type EventHandler<E> = ((event: E) => unknown) | null;

/** What listens for an event of a `WebSocket`. */
export type WebSocketListener<T extends keyof WebSocketEvents> =
  | ((event: WebSocketEvents[T]) => unknown)
  | {
      /** Called with each event. */
      handleEvent(event: WebSocketEvents[T]): unknown;
    }
  | null;

/**
 * A handler (`onopen` and the like) and the listener that stands for it, so that it keeps its place among the
 * listeners.
 */
export class Handler {
  value: object;
  /** Not the event's `currentTarget`: Node gives that to the first listener only. */
  readonly #target: EventTarget;

  constructor(value: object, target: EventTarget) {
    this.value = value;
    this.#target = target;
  }

  readonly listener = (event: Event): unknown => {
    if (typeof this.value !== "function") return undefined;
    const outcome: unknown = Reflect.apply(this.value, this.#target, [event]);
    if (outcome === false) event.preventDefault();
    return outcome; // If a promise of it rejects, that is reported as for other listeners.
  };
}
