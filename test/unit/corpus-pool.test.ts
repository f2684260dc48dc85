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
    await pool.clear();
  });

  test("keeps what is in use although it is above the bound", async () => {
    const pool = new Pool(0);
    const [a, b] = [new Member(10), new Member(20)];
    await use(pool, a);
    expect(a.bytes).toBe(10);
    await use(pool, b);
    expect([a.bytes, b.bytes]).toEqual([0, 20]);
    await pool.clear();
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

  test("stays with all others of the process within the largest bound, and leaves alone what they are using", async () => {
    const [large, small] = [new Pool(100), new Pool(50)];
    const [a, b, c, d] = [new Member(60), new Member(30), new Member(40), new Member(40)];
    await use(large, a);
    await use(large, b);
    await use(small, c);
    expect([a.bytes, b.bytes, c.bytes]).toEqual([0, 30, 40]);
    await small.during(c, async () => {
      await use(large, a);
      expect([a.bytes, b.bytes, c.bytes]).toEqual([60, 0, 40]);
    });
    // Above its own bound a pool makes room among its own.
    await use(small, d);
    expect([a.bytes, c.bytes, d.bytes]).toEqual([60, 0, 40]);
    expect([large.bytes, small.bytes]).toEqual([60, 40]);
    await Promise.all([large.clear(), small.clear()]);
  });

  test("counts what a member grew to while it was used, also where the work fails", async () => {
    const pool = new Pool(100);
    const [a, b] = [new Member(60), new Member(70)];
    await use(pool, a);
    const work = pool.during(b, async () => {
      b.bytes = b.size;
      throw new Error("failed");
    });
    await expect(work).rejects.toThrow("failed");
    expect([pool.bytes, a.bytes, b.bytes]).toEqual([70, 0, 70]);
    await pool.clear();
  });
});
