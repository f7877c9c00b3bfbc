const HEAD_BYTES = 5;

/** gRPC's limit where none is set: 4 MiB. */
export const defaultMaxMessageBytes = 4 * 1024 * 1024;

/**
 * Counts the messages of one direction of a gRPC stream without keeping them (gRPC over HTTP/2: Length-Prefixed-Message is a flag of
 * 0 or 1, four bytes of length, and the message). The bytes may be cut anywhere.
 */
export class GrpcFrames {
  /** Messages of which the last byte was seen. */
  messages = 0;
  /** Of these, with the compressed flag. */
  compressed = 0;
  /** As in response_code_details; '' while nothing is wrong. What follows an error is not looked at. */
  error = '';
  /** Of the current message's head, seen. */
  private headBytes = 0;
  /** Of the current message, still to come. */
  private remaining = 0;
  private length = 0;
  private flag = 0;
  private readonly maxMessageBytes: number;

  /** `maxMessageBytes`: 0 for no limit. */
  constructor(maxMessageBytes: number = 0) {
    this.maxMessageBytes = maxMessageBytes;
  }

  /** Ready for another stream. */
  reset(): void {
    this.messages = 0;
    this.compressed = 0;
    this.error = '';
    this.headBytes = 0;
    this.remaining = 0;
  }

  /** Inside a message: a stream that ends here was cut. */
  get inMessage(): boolean {
    return this.headBytes !== 0;
  }

  /** Takes `buf[from, to)`; false once something is wrong. */
  read(buf: Buffer, from: number, to: number): boolean {
    let at = from;
    while (at < to && this.error === '') {
      if (this.headBytes === HEAD_BYTES) {
        const taken = Math.min(this.remaining, to - at);
        this.remaining -= taken;
        at += taken;
      } else this.headByte(buf[at++]);
      if (this.headBytes === HEAD_BYTES && this.remaining === 0) this.finish();
    }
    return this.error === '';
  }

  private headByte(byte: number): void {
    if (this.headBytes === 0) {
      if (byte > 1) this.error = 'grpc.frame_flag_invalid';
      this.flag = byte;
      this.length = 0;
    } else this.length = this.length * 256 + byte;
    if (++this.headBytes < HEAD_BYTES) return;
    this.remaining = this.length;
    if (this.maxMessageBytes !== 0 && this.length > this.maxMessageBytes) this.error = 'grpc.message_too_large';
  }

  private finish(): void {
    if (this.error !== '') return;
    this.messages++;
    this.compressed += this.flag;
    this.headBytes = 0;
  }
}

/** One message as it is sent, not compressed. */
export function frameMessage(message: Buffer): Buffer {
  const out = Buffer.allocUnsafe(HEAD_BYTES + message.length);
  out[0] = 0;
  out.writeUInt32BE(message.length, 1);
  message.copy(out, HEAD_BYTES);
  return out;
}
