/** Tasks wait until there is memory for them. */
import { onTestFinished, expect, test } from 'vitest'
import { MemoryGuard, type Admitted } from '../../activities/memory-guard.js'

const gib = 2 ** 30
const forever = new AbortController().signal

/** A machine of 64 GiB, of which the guard keeps one free. Its memory and its time are the test's. */
class Machine {
  available = 64
  /** GiB that tasks hold. */
  readonly held: number[] = []
  /** Tasks that have begun, in their order. */
  readonly begun: string[] = []
  readonly waiting = new Set<string>()
  private pauses: (() => void)[] = []
  readonly guard = new MemoryGuard({
    left: () => ({ total: 64 * gib, available: this.available * gib }),
    held: (pid) => Promise.resolve((this.held[pid] ?? 0) * gib),
    patience: 1000,
    pause: () => new Promise<void>((resolve) => this.pauses.push(resolve)),
  })

  async begin(what: string, need: number, signal = forever): Promise<Admitted> {
    const place = await this.guard.admit(what, need * gib, signal, (text) => this.waiting.add(`${what}: ${text}`))
    onTestFinished(() => place.release(true))
    this.begun.push(what)
    return place
  }

  /** Those that wait look again, so many times. */
  async looks(times = 1): Promise<void> {
    for (let i = 0; i < times; i++) {
      await settled()
      for (const go of this.pauses.splice(0)) go()
      await settled()
    }
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

test('a task begins when those that have begun leave it room, as large as they were said to become', async () => {
  const machine = new Machine()
  const a = await machine.begin('a', 40)
  a.begin(0, () => undefined)
  machine.held[0] = 10
  machine.available = 54
  void machine.begin('b', 30)
  await machine.looks(20)
  expect(machine.begun).toEqual(['a'])
  expect([...machine.waiting]).toEqual(['b: waiting for 30.0 GiB of memory'])
  a.release(true)
  machine.available = 64
  await machine.looks()
  expect(machine.begun).toEqual(['a', 'b'])
})

test('two that begin at once do not take the same room', async () => {
  const machine = new Machine()
  void machine.begin('a', 40)
  void machine.begin('b', 40)
  await machine.looks(20)
  expect(machine.begun).toEqual(['a'])
})

test('a task that says nothing begins at once, and a small one does not pass a large one that waits', async () => {
  const machine = new Machine()
  void machine.begin('a', 40)
  void machine.begin('large', 40)
  await machine.looks()
  void machine.begin('small', 1)
  void machine.begin('silent', 0)
  await machine.looks(20)
  expect(machine.begun).toEqual(['a', 'silent'])
})

test('one that waits and is cancelled is in nobody’s way', async () => {
  const machine = new Machine()
  const a = await machine.begin('a', 40)
  const end = new AbortController()
  const large = machine.begin('large', 40, end.signal)
  const small = machine.begin('small', 1)
  const refused = expect(large).rejects.toThrow('cancelled')
  await machine.looks()
  end.abort(new Error('cancelled'))
  await machine.looks()
  await refused
  await machine.looks()
  ;(await small).release(true)
  a.release(true)
  expect(machine.begun).toEqual(['a', 'small'])
})

test('what other programs hold is waited for, but not for ever', async () => {
  const machine = new Machine()
  machine.available = 20
  void machine.begin('a', 40)
  await machine.looks(5)
  expect(machine.begun).toEqual([])
  await machine.looks(5)
  expect(machine.begun).toEqual(['a'])
})

test('what can never fit begins when nothing else runs', async () => {
  const machine = new Machine()
  const small = await machine.begin('small', 1)
  void machine.begin('larger than the machine', 100)
  await machine.looks(20)
  expect(machine.begun).toEqual(['small'])
  small.release(true)
  await machine.looks()
  expect(machine.begun).toEqual(['small', 'larger than the machine'])
})

test('a task that was ended waits, the next time, for as much as it held', async () => {
  const machine = new Machine()
  const first = await machine.begin('a', 0)
  const other = await machine.begin('b', 0)
  let ended = false
  first.begin(0, () => (ended = true))
  other.begin(1, () => undefined)
  Object.assign(machine.held, [40, 23])
  machine.available = 0.5
  await machine.guard.look()
  expect(ended).toBe(true)
  first.release(false)
  machine.available = 40
  void machine.begin('a', 0)
  await machine.looks(20)
  expect(machine.begun).toEqual(['a', 'b'])
  other.release(true)
  machine.available = 63
  await machine.looks()
  expect(machine.begun).toEqual(['a', 'b', 'a'])
})
