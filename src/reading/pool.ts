/** Something whose memory can be freed. It takes memory again when it is used. */
export type Evictable = { readonly bytes: number; evict(): Promise<void> | void };

/** What is known of a member: whose it is, its bytes when it was used last, and how many calls are using it. */
type Entry = { pool: Pool; bytes: number; users: number };

/** The members of all pools of this thread, least recently used first. */
const entries = new Map<Evictable, Entry>();
/** Pools that have members, with the bytes that these hold. */
const held = new Map<Pool, number>();

/**
 * Keeps the members used last within a bound of bytes. All pools of a thread together stay within the largest of their bounds.
 * A member in use stays, even if it alone exceeds the bound.
 */
export class Pool {
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  get bytes(): number {
    return held.get(this) ?? 0;
  }

  /** Marks a member as used last, with its bytes now, and evicts others until the bounds hold. */
  async use(member: Evictable): Promise<void> {
    const users = entries.get(member)?.users ?? 0;
    this.remove(member);
    this.#add(member, users);
    await makeRoom(
      member,
      () => this.bytes > this.limit,
      (pool) => pool === this,
    );
    await makeRoom(member, areAllFull, () => true);
  }

  /** Keeps a member while work uses it. Others make room before it takes memory and again when it has. */
  async during<T>(member: Evictable, work: () => Promise<T>): Promise<T> {
    await using _ = await this.using(member);
    return await work();
  }

  /** The same until what it returns is disposed of. */
  async using(member: Evictable): Promise<AsyncDisposable> {
    await this.#enter(member, 1);
    return { [Symbol.asyncDispose]: () => this.#enter(member, -1) };
  }

  remove(member: Evictable): void {
    const entry = entries.get(member);
    if (!entry) return;
    entries.delete(member);
    const left = (held.get(entry.pool) ?? 0) - entry.bytes;
    if (left > 0) held.set(entry.pool, left);
    else held.delete(entry.pool);
  }

  /** Lets go of everything that is this pool's. */
  async clear(): Promise<void> {
    for (const [member, { pool }] of entries) {
      if (pool !== this) continue;
      this.remove(member);
      await member.evict();
    }
  }

  #add(member: Evictable, users: number): void {
    const { bytes } = member;
    if (bytes === 0 && users === 0) return;
    entries.set(member, { pool: this, bytes, users });
    if (bytes > 0) held.set(this, this.bytes + bytes);
  }

  async #enter(member: Evictable, users: 1 | -1): Promise<void> {
    const before = entries.get(member)?.users ?? 0;
    this.remove(member);
    this.#add(member, Math.max(0, before + users));
    await this.use(member);
  }
}

/** Evicts the least recently used members that are not in use, while there is too much. */
async function makeRoom(member: Evictable, isFull: () => boolean, mayEvict: (pool: Pool) => boolean): Promise<void> {
  for (const [other, { pool, users }] of entries) {
    if (!isFull()) return;
    if (other === member || users > 0 || !mayEvict(pool)) continue;
    pool.remove(other);
    await other.evict();
  }
}

function areAllFull(): boolean {
  let [bytes, limit] = [0, 0];
  for (const [pool, own] of held) {
    bytes += own;
    limit = Math.max(limit, pool.limit);
  }
  return bytes > limit;
}
