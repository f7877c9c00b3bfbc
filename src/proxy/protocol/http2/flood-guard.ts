/** Bytes of frames that carry neither a request nor its body, which a connection may send at once … */
const burstBytes = 32 * 1024;
/** … and per second on top of it. */
const bytesPerSecond = 4 * 1024;
/** Of a request's head: frame head, priority and what each field costs beside its text. */
const headBytes = 64;
const fieldBytes = 4;
/** Of a DATA frame: its head and the longest padding (RFC 9113 §6.1). */
const dataBytes = 9 + 256;
/**
 * Window updates that a response lets us expect: Envoy takes 10 per DATA frame sent
 * (max_inbound_window_update_frames_per_data_frame_sent), 13 bytes each.
 */
const updateBytes = 10 * 13;
const frameBytes = 16 * 1024;
/** Explanation that is carried from one check to the next at most. */
const maxCarryBytes = 4 * 1024 * 1024;

/**
 * Tells floods of PING, SETTINGS, WINDOW_UPDATE, PRIORITY, empty DATA and unknown frames from use: node:http2 lets them pass
 * (it has limits for resets and CONTINUATION) and shows most of them to nobody. So the bytes that arrived are set against
 * what requests and bodies explain; what is left over are frames of this kind. Costs a few additions a request, and no
 * byte is looked at.
 */
export class FloodGuard {
  private explained = 0;
  private seen = 0;
  private credit = burstBytes;
  private checkedAt: number;

  constructor(now: number) {
    this.checkedAt = now;
  }

  /** Header fields arrived: those of a request or of its trailers, name, value, name, value …. */
  head(fields: readonly string[]): void {
    let bytes = headBytes + fields.length * (fieldBytes / 2);
    for (let i = 0; i < fields.length; i++) bytes += fields[i].length;
    this.explained += bytes;
  }

  /** A DATA frame's content was taken. */
  data(bytes: number): void {
    this.explained += bytes + dataBytes;
  }

  /** Body bytes that arrived, or may yet, and that nobody takes. */
  forgive(bytes: number): void {
    this.explained += bytes;
  }

  /** Response bytes were handed over: the client will open windows for them. */
  sent(bytes: number): void {
    this.explained += updateBytes * (1 + Math.floor(bytes / frameBytes));
  }

  /**
   * `received`: bytes of the connection so far, without body bytes that wait to be taken. False: it is a flood.
   */
  check(received: number, now: number): boolean {
    const left = received - this.seen - this.explained;
    this.seen = received;
    // Window updates and forgiven bytes come later than their reason; what was explained too much fades.
    this.explained = left < 0 ? Math.min(-left, maxCarryBytes) / 2 : 0;
    this.credit = Math.min(burstBytes, this.credit + (bytesPerSecond * Math.max(0, now - this.checkedAt)) / 1000);
    this.checkedAt = now;
    if (left > 0) this.credit -= left;
    return this.credit >= 0;
  }
}
