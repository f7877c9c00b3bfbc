/**
 * One coarse timer for all connections of a worker. A deadline that moves later costs one number; only a deadline that
 * moves earlier is relinked. Resolution: `tickMs`; deadlines never fire early.
 */
export class Deadline {
  /** Monotonic milliseconds (performance.now) when it fires; Infinity: never. */
  at = Infinity;
  /** Monotonic time of the slot it sits in; Infinity when it sits in none. */
  slotAt = Infinity;
  next: Deadline | null = null;
  previous: Deadline | null = null;
  slot = -1;
  readonly fire: (now: number) => void;

  constructor(fire: (now: number) => void) {
    this.fire = fire;
  }
}

const slotCount = 512;
/** Behind the others: what is due now. */
const dueSlot = slotCount;

export class Wheel {
  readonly tickMs: number;
  private readonly slots: (Deadline | null)[];
  private cursor = 0;
  private cursorAt: number;
  private timer: ReturnType<typeof setInterval> | null = null;
  private readonly onFault: (error: unknown) => void;

  constructor(tickMs: number, now: number, onFault: (error: unknown) => void) {
    this.tickMs = tickMs;
    this.cursorAt = now;
    this.onFault = onFault;
    this.slots = Array.from({ length: slotCount + 1 }, () => null);
  }

  start(): void {
    this.timer ??= setInterval(() => this.advance(performance.now()), this.tickMs);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  /** Sets when the deadline fires. `at` Infinity disarms it. */
  arm(deadline: Deadline, at: number): void {
    deadline.at = at;
    if (at >= deadline.slotAt) return;
    this.unlink(deadline);
    if (at !== Infinity) this.link(deadline);
  }

  /** Takes the deadline out for good: nothing in the wheel refers to it any more. */
  remove(deadline: Deadline): void {
    deadline.at = Infinity;
    this.unlink(deadline);
  }

  /** Fires what is due. Called by the timer; tests call it with a clock of their own. */
  advance(now: number): void {
    while (this.cursorAt + this.tickMs <= now) {
      this.cursorAt += this.tickMs;
      this.cursor = (this.cursor + 1) % slotCount;
      this.takeOut(this.cursor);
      // Whatever a deadline does to the others of its slot: the list is looked at anew after each.
      for (let entry = this.slots[dueSlot]; entry !== null; entry = this.slots[dueSlot]) {
        this.unlink(entry);
        if (entry.at > this.cursorAt) {
          if (entry.at !== Infinity) this.link(entry);
          continue;
        }
        entry.at = Infinity;
        try {
          entry.fire(now);
        } catch (error) {
          this.onFault(error);
        }
      }
    }
  }

  /** Moves the list of a slot to `dueSlot`: what is armed meanwhile comes with a later turn. */
  private takeOut(slot: number): void {
    const first = this.slots[slot];
    for (let entry = first; entry !== null; entry = entry.next) entry.slot = dueSlot;
    this.slots[dueSlot] = first;
    this.slots[slot] = null;
  }

  private link(deadline: Deadline): void {
    const ticks = Math.max(1, Math.min(slotCount - 1, Math.ceil((deadline.at - this.cursorAt) / this.tickMs)));
    const slot = (this.cursor + ticks) % slotCount;
    const head = this.slots[slot];
    deadline.slot = slot;
    deadline.slotAt = this.cursorAt + ticks * this.tickMs;
    deadline.previous = null;
    deadline.next = head;
    if (head !== null) head.previous = deadline;
    this.slots[slot] = deadline;
  }

  private unlink(deadline: Deadline): void {
    if (deadline.slot < 0) return;
    if (deadline.previous === null) this.slots[deadline.slot] = deadline.next;
    else deadline.previous.next = deadline.next;
    if (deadline.next !== null) deadline.next.previous = deadline.previous;
    deadline.next = null;
    deadline.previous = null;
    deadline.slot = -1;
    deadline.slotAt = Infinity;
  }
}
