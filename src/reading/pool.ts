/** Something that holds memory and can do without: it takes it again when it is used. */
export type Evictable = { readonly bytes: number; evict(): Promise<void> };

/** Keeps what was used last within a bound of bytes. What is in use stays, also where it alone is above the bound. */
export class Pool {
  readonly limit: number;
  /** Least recently used first. */
  readonly #members = new Set<Evictable>();

  constructor(limit: number) {
    this.limit = limit;
  }

  get bytes(): number {
    return [...this.#members].reduce((sum, member) => sum + member.bytes, 0);
  }

  /** Call it when a member is about to take memory and again when it has: others then make room. */
  async use(member: Evictable): Promise<void> {
    this.#members.delete(member);
    this.#members.add(member);
    for (const other of [...this.#members]) {
      if (other === member || this.bytes <= this.limit) break;
      if (other.bytes > 0) await other.evict();
    }
  }

  remove(member: Evictable): void {
    this.#members.delete(member);
  }

  /** Lets go of everything. */
  async clear(): Promise<void> {
    const members = [...this.#members];
    this.#members.clear();
    for (const member of members) await member.evict();
  }
}
