/** A message as a parser read it, for comparing parsers. Bytes are strings of one character each. */
export interface Message {
  /** `METHOD target` or `STATUS`. */
  start: string;
  headers: [name: string, value: string][];
  body: string;
  /** The end of its body was seen. */
  complete: boolean;
  trailers: [name: string, value: string][];
}

export interface Reading {
  messages: Message[];
  /** Why reading stopped; '' when nothing was wrong. */
  error: string;
}
