import { describe, expect, test } from "vitest";
import { type Evictable, Pool } from "../../src/reading/pool.ts";

class Member implements Evictable {
  bytes = 0;
  readonly size: number;
  constructor(size: number) {
    this.size = size;
  }
  async evict() {
    this.bytes = 0;
  }
}

/** As a corpus does: room is made before and after it takes memory. */
async function use(pool: Pool, member: Member): Promise<void> {
  await pool.use(member);
  member.bytes = member.size;
  await pool.use(member);
}

describe("Pool", () => {
  test("lets go of what was used least recently, and of no more than it must", async () => {
    const pool = new Pool(100);
    const [a, b, c] = [new Member(40), new Member(40), new Member(40)];
    await use(pool, a);
    await use(pool, b);
    expect(pool.bytes).toBe(80);
    await use(pool, a);
    await use(pool, c);
    expect([a, b, c].map(({ bytes }) => bytes)).toEqual([40, 0, 40]);
    await use(pool, b);
    expect([a, b, c].map(({ bytes }) => bytes)).toEqual([0, 40, 40]);
  });

  test("keeps what is in use although it is above the bound", async () => {
    const pool = new Pool(0);
    const [a, b] = [new Member(10), new Member(20)];
    await use(pool, a);
    expect(a.bytes).toBe(10);
    await use(pool, b);
    expect([a.bytes, b.bytes]).toEqual([0, 20]);
  });

  test("forgets what was removed, and lets go of everything at the end", async () => {
    const pool = new Pool(100);
    const [a, b] = [new Member(60), new Member(30)];
    await use(pool, a);
    await use(pool, b);
    pool.remove(a);
    expect([pool.bytes, a.bytes]).toEqual([30, 60]);
    await pool.clear();
    expect([pool.bytes, b.bytes]).toEqual([0, 0]);
  });
});
