import { Failure } from '../../errors/failure.js'
import { Choices } from './choices.js'
import { PeakMemory } from './peak-memory.js'
import type { Reader } from './reader.js'

/** CPU time that an input may take, whatever else the machine does. */
export const mostMilliseconds = 2000

/** By how much memory may grow for an input: as many bytes for each of its bytes, */
const bytesPerByte = 10
/** and this many for any: one page of Parquet or the beginning of a text may unpack to 64 MiB, which is held twice. V8's young
 *  generation is in it, too. */
export const constantBytes = 256 * 2 ** 20

/** A failing input. */
export interface Crash {
  /** Crashes of one kind come from one place. */
  readonly kind: string
  /** Its number: `--from NUMBER --inputs 1` makes it again. */
  readonly input: number
  readonly message: string
}

/** How a reader bore its inputs. */
export interface Counts {
  readonly reader: string
  readonly inputs: number
  readonly accepted: number
  readonly refused: number
  /** The first of each kind. */
  readonly crashes: readonly Crash[]
  readonly slowest: { readonly input: number; readonly milliseconds: number }
  readonly largest: { readonly input: number; readonly bytes: number }
}

/**
 * Gives a reader inputs, and checks how each is borne: it is read or refused with a message that can be read, within time and
 * memory, and leaves nothing behind in what all objects share.
 * @param from          number of the first
 * @param milliseconds  to end after, whatever is left
 * @param before        is told the number of each input before it is read
 */
export async function fuzz(
  reader: Reader,
  { seed, inputs, from = 0, milliseconds = Infinity }: Extent,
  before: (input: number) => void = () => {},
): Promise<Counts> {
  const crashes = new Map<string, Crash>()
  const memory = new PeakMemory()
  let [done, accepted, refused] = [0, 0, 0]
  let slowest = { input: from, milliseconds: 0 }
  let largest = { input: from, bytes: 0 }
  const end = performance.now() + milliseconds
  for (let input = from; input < from + inputs && performance.now() < end; input++, done++) {
    const crashed = (kind: string, message: string) => {
      if (!crashes.has(kind)) crashes.set(kind, { kind, input, message })
    }
    before(input)
    const { bytes, read } = reader.make(new Choices(seed, input))
    memory.begin()
    const began = process.cpuUsage()
    try {
      await read()
      accepted++
    } catch (error) {
      if (error instanceof Failure && isShort(error.message)) refused++
      else crashed(...describe(error))
    }
    const { user, system } = process.cpuUsage(began)
    const took = (user + system) / 1000
    const growth = memory.growth()
    if (took > slowest.milliseconds) slowest = { input, milliseconds: Math.round(took) }
    if (growth > largest.bytes) largest = { input, bytes: growth }
    if (took > mostMilliseconds) crashed('time', `took ${Math.round(took)} ms of CPU time for ${bytes} bytes`)
    if (growth > constantBytes + bytesPerByte * bytes)
      crashed('memory', `took ${mebibytes(growth)} MiB of memory for ${bytes} bytes`)
    const left = leftBehind()
    if (left !== undefined) crashed('left behind', left)
  }
  memory.close()
  return { reader: reader.name, inputs: done, accepted, refused, crashes: [...crashes.values()], slowest, largest }
}

export interface Extent {
  readonly seed: number
  readonly inputs: number
  readonly from?: number
  readonly milliseconds?: number
}

export const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20)

/** A crash's kind, which is the place that it comes from, and its message. */
function describe(error: unknown): readonly [kind: string, message: string] {
  const { message, stack = '' } = error as Error
  const places = stack.split('\n').filter((line) => line.startsWith('    at '))
  const beginning = `${(error as Error).name}: ${message.slice(0, 300)}`
  return [places[0] ?? beginning, [beginning, ...places.slice(0, 6)].join('\n')]
}

/** Whether a message can be read: it tells of the input, and is not the input. */
const isShort = (message: string): boolean => message.length < 20_000

const shared = [
  Object.prototype,
  Array.prototype,
  String.prototype,
  Number.prototype,
  Function.prototype,
  Map.prototype,
]
const names = shared.map((prototype) => Reflect.ownKeys(prototype).length)

/** What an input has added to what all objects share. It is removed, so that the next input is not blamed. */
function leftBehind(): string | undefined {
  for (const [i, prototype] of shared.entries()) {
    const keys = Reflect.ownKeys(prototype)
    if (keys.length === names[i]) continue
    for (const key of keys.slice(names[i])) Reflect.deleteProperty(prototype, key)
    return `changed a prototype: ${keys.slice(names[i]).map(String).join(', ')}`
  }
  return undefined
}
