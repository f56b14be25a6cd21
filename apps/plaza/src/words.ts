/** All that the page says, in English. */
export const ENGLISH = {
  skip: "Skip to writing",
  close: "Close",
  cancel: "Cancel",

  welcome: "Welcome to the plaza",
  lead: "A town square to talk in. Pick a name and stay a while.",
  anotherName: "Another name",
  oldName: "What you have written before keeps the old one.",
  yourName: "Your name",
  enter: "Enter the square",
  useName: "Use this name",
  noAccount:
    "No account, no e-mail address. This browser keeps a random key, so that you are the same person next time.",

  rooms: "Rooms",
  roomsUnread: (count: number) => `Rooms, ${count} unread`,
  unread: "unread",
  newRoom: "New room",
  newRoomName: "Name of the new room",
  roomName: "Name of the room",
  create: "Create",
  needsName: "A room needs a name.",
  tooManyRooms: (limit: number) =>
    `There are ${limit} rooms already; that is as many as fit around this square.`,
  changeName: "Change name",
  changeYourName: "Change your name",
  topics: {
    general: "The middle of the square: everything and anything",
    ideas: "What could be, and what if",
    help: "Ask; somebody knows",
  },

  hereNow: "Here now",
  peopleHere: (count: number) => `People here: ${count}`,
  andMore: (count: number) => `and ${count} more`,
  you: "you",
  othersOfName: (user: string) => `There are others of this name; this one is ${user}`,

  notYet: "Not connected yet",
  phases: { connecting: "Connecting", connected: "Connected", waiting: "Offline", closed: "Disconnected" },
  connecting: "Connecting…",
  absences: {
    lost: "No connection. What you write goes out when it is back.",
    full: "The square is full, or your network has too many visitors. This page keeps trying.",
  },
  tryNow: "Try now",
  ended: "The server has ended this session:",
  over: "it is over.",
  connectAgain: "Connect again",
  comebacks: {
    "caught-up": "Back again. You are caught up.",
    "with-gaps": "Back again. Some messages are missing.",
    restarted: "Back again.", // the line in the room says the rest
  },
  cannotFollow: "This room cannot be followed:",
  /** By the code of the error. */
  reasons: {
    forbidden: "this server does not allow it.",
    unknown_channel: "this server has no such rooms.",
    unauthorized: "the key of this browser was not accepted.",
    too_large: "it is too long.",
    limit_reached: "there is no space left for it.",
    outbox_full: "too much is waiting to be sent already.",
    internal: "the server has failed.",
  },

  messagesIn: (title: string) => `Messages in #${title}`,
  messageTo: (title: string) => `Message to #${title}`,
  writeTo: (title: string) => `Write to #${title}`,
  send: "Send",
  sends: "sends",
  newLine: "new line",
  manyWaiting: (limit: number) => `${limit} messages are waiting to be sent already.`,
  left: (count: number) => `${count} left`,
  tooMany: (count: number) => `${count} too many`,
  sending: "Sending…",
  goesOut: "Goes out when the connection is back",
  goesOutOpen: "Goes out when the connection is back, if this page stays open",
  notSent: "Not sent:",
  notTaken: "The server did not take it.",
  perhapsSent: "The connection was lost for a long time: this may have been sent, or not.",
  sendAgain: "Send again",
  discard: "Discard",
  showLines: (count: string) => `Show all ${count} lines`,
  showCharacters: (count: string) => `Show all ${count} characters`,

  latest: "Latest messages",
  newMessages: (count: string) => `${count} new ${count === "1" ? "message" : "messages"}`,
  older: "Earlier messages",
  loadingOlder: "Fetching earlier messages…",
  beginnings: {
    complete: "Here the conversation begins.",
    empty: "Nobody has said anything here yet. Somebody has to be first.",
    trimmed: "Earlier messages are no longer kept.",
    lost: "What was said here before is lost: the server had to begin this room anew.",
  },
  newLineHere: "New",
  gone: (from: number, to: number) =>
    from === to ? `Message ${from} is no longer available` : `Messages ${from}–${to} are no longer available`,
  restarted: "The server has lost what is above: it is left on this page only.",
  today: "Today",
  yesterday: "Yesterday",

  help: "Help and keys",
  helpTitle: "Around the plaza",
  keys: "Keys",
  keySend: "Send the message",
  keyLine: "Begin a new line",
  keyAbove: "Room above",
  keyBelow: "Room below",
  keyTab: "Next control; the messages scroll with the arrow keys",
  keyHome: "In the messages: the first one that is kept",
  keyEnd: "In the messages: the latest",
  keyEscape: "Close what is open",
  keyHelp: "This help, when you are not writing",
  helpText: (length: string) =>
    `Everybody on the square hears every room in the list, so a number beside a room counts what you have not read there; “Here now” lists who has this room open. A message has up to ${length} characters. What you write while the connection is lost is sent when it is back, or, if you have closed this page meanwhile, when you open it again.`,
};

export type Words = typeof ENGLISH;

/** The same in Spanish. */
export const SPANISH: Words = {
  skip: "Ir a escribir",
  close: "Cerrar",
  cancel: "Cancelar",

  welcome: "Te damos la bienvenida a la plaza",
  lead: "Un zócalo para platicar. Elige un nombre y quédate un rato.",
  anotherName: "Otro nombre",
  oldName: "Lo que ya escribiste conserva el anterior.",
  yourName: "Tu nombre",
  enter: "Entrar a la plaza",
  useName: "Usar este nombre",
  noAccount:
    "Sin cuenta ni correo. Este navegador guarda una clave al azar para que la próxima vez seas la misma persona.",

  rooms: "Salas",
  roomsUnread: (count) => `Salas, ${count} sin leer`,
  unread: "sin leer",
  newRoom: "Nueva sala",
  newRoomName: "Nombre de la nueva sala",
  roomName: "Nombre de la sala",
  create: "Crear",
  needsName: "Una sala necesita un nombre.",
  tooManyRooms: (limit) => `Ya hay ${limit} salas; no caben más alrededor de esta plaza.`,
  changeName: "Cambiar nombre",
  changeYourName: "Cambia tu nombre",
  topics: {
    general: "El centro de la plaza: de todo un poco",
    ideas: "Lo que podría ser, y qué tal si…",
    help: "Pregunta; alguien sabe",
  },

  hereNow: "Aquí ahora",
  peopleHere: (count) => `Personas aquí: ${count}`,
  andMore: (count) => `y ${count} más`,
  you: "tú",
  othersOfName: (user) => `Hay más personas con este nombre; esta es ${user}`,

  notYet: "Aún sin conexión",
  phases: {
    connecting: "Conectando",
    connected: "En línea",
    waiting: "Sin conexión",
    closed: "Desconectado",
  },
  connecting: "Conectando…",
  absences: {
    lost: "Sin conexión. Lo que escribas saldrá cuando vuelva.",
    full: "La plaza está llena, o tu red tiene demasiados visitantes. Esta página sigue intentando.",
  },
  tryNow: "Intentar ya",
  ended: "El servidor terminó esta sesión:",
  over: "ya no sigue.",
  connectAgain: "Volver a conectar",
  comebacks: {
    "caught-up": "De vuelta. Estás al día.",
    "with-gaps": "De vuelta. Faltan algunos mensajes.",
    restarted: "De vuelta.",
  },
  cannotFollow: "Esta sala no se puede seguir:",
  reasons: {
    forbidden: "este servidor no lo permite.",
    unknown_channel: "este servidor no tiene esas salas.",
    unauthorized: "no se aceptó la clave de este navegador.",
    too_large: "es demasiado largo.",
    limit_reached: "ya no hay espacio.",
    outbox_full: "ya hay demasiado por enviar.",
    internal: "el servidor falló.",
  },

  messagesIn: (title) => `Mensajes en #${title}`,
  messageTo: (title) => `Mensaje para #${title}`,
  writeTo: (title) => `Escribe en #${title}`,
  send: "Enviar",
  sends: "envía",
  newLine: "otra línea",
  manyWaiting: (limit) => `Ya hay ${limit} mensajes por enviar.`,
  left: (count) => `${count === 1 ? "queda" : "quedan"} ${count}`,
  tooMany: (count) => `${count === 1 ? "sobra" : "sobran"} ${count}`,
  sending: "Enviando…",
  goesOut: "Saldrá cuando vuelva la conexión",
  goesOutOpen: "Saldrá cuando vuelva la conexión, si esta página sigue abierta",
  notSent: "No se envió:",
  notTaken: "El servidor no lo aceptó.",
  perhapsSent: "No hubo conexión por mucho tiempo: puede que se haya enviado, o no.",
  sendAgain: "Enviar otra vez",
  discard: "Descartar",
  showLines: (count) => `Mostrar las ${count} líneas`,
  showCharacters: (count) => `Mostrar los ${count} caracteres`,

  latest: "Últimos mensajes",
  newMessages: (count) => `${count} ${count === "1" ? "mensaje nuevo" : "mensajes nuevos"}`,
  older: "Mensajes anteriores",
  loadingOlder: "Trayendo mensajes anteriores…",
  beginnings: {
    complete: "Aquí empieza la conversación.",
    empty: "Nadie ha dicho nada aquí todavía. Alguien tiene que ser primero.",
    trimmed: "Los mensajes anteriores ya no se guardan.",
    lost: "Lo que se dijo aquí antes se perdió: el servidor tuvo que empezar la sala de nuevo.",
  },
  newLineHere: "Nuevo",
  gone: (from, to) =>
    from === to
      ? `El mensaje ${from} ya no está disponible`
      : `Los mensajes ${from}–${to} ya no están disponibles`,
  restarted: "El servidor perdió lo de arriba: solo queda en esta página.",
  today: "Hoy",
  yesterday: "Ayer",

  help: "Ayuda y teclas",
  helpTitle: "Por la plaza",
  keys: "Teclas",
  keySend: "Enviar el mensaje",
  keyLine: "Empezar otra línea",
  keyAbove: "Sala de arriba",
  keyBelow: "Sala de abajo",
  keyTab: "Siguiente control; los mensajes se recorren con las flechas",
  keyHome: "En los mensajes: el primero que se guarda",
  keyEnd: "En los mensajes: el último",
  keyEscape: "Cerrar lo que esté abierto",
  keyHelp: "Esta ayuda, cuando no escribes",
  helpText: (length) =>
    `En la plaza se oyen todas las salas de la lista; el número junto a una sala cuenta lo que no has leído en ella, y «Aquí ahora» dice quién la tiene abierta. Un mensaje tiene hasta ${length} caracteres. Lo que escribas sin conexión se envía cuando vuelva, o, si cerraste esta página entre tanto, cuando la abras otra vez.`,
};

/** The first of the reader's languages that the page speaks, with its region; English if there is none. */
export function localeOf(languages: readonly string[]): string {
  return languages.find((language) => /^(?:en|es)\b/i.test(language)) ?? "en";
}

export const LOCALE = localeOf(globalThis.navigator?.languages ?? []);

export const WORDS: Words = /^es\b/i.test(LOCALE) ? SPANISH : ENGLISH;

/** A number with the separators of the language. */
export function counted(count: number): string {
  return count.toLocaleString(LOCALE);
}
