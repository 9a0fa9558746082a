import { Failure } from '../../errors/failure.js'
import { Choices } from './mutate.js'

/** Something that reads what comes from outside. */
export interface Reader {
  readonly name: string
  /** Makes an input and reads it. What it throws and is not a `Failure` is a crash. */
  read(choices: Choices): Promise<void> | void
}

/** How a reader bore its inputs. */
export interface Counts {
  readonly reader: string
  readonly inputs: number
  readonly accepted: number
  readonly refused: number
  /** The first of each kind, and the number of its input. */
  readonly crashes: readonly { readonly input: number; readonly message: string }[]
  readonly slowest: { readonly input: number; readonly milliseconds: number }
}

/** The choices that make an input: any can be made again alone. */
export const choicesOf = (seed: number, input: number): Choices => new Choices(Math.imul(seed, 0x9e3779b1) ^ input)

/**
 * Gives a reader inputs.
 * @param from          number of the first
 * @param milliseconds  to end after, whatever is left
 */
export async function fuzz(
  reader: Reader,
  {
    seed,
    inputs,
    from = 0,
    milliseconds = Infinity,
  }: { seed: number; inputs: number; from?: number; milliseconds?: number },
  before: (input: number) => void = () => {},
): Promise<Counts> {
  const crashes = new Map<string, { input: number; message: string }>()
  let [done, accepted, refused] = [0, 0, 0]
  let slowest = { input: from, milliseconds: 0 }
  const end = performance.now() + milliseconds
  for (let input = from; input < from + inputs && performance.now() < end; input++) {
    before(input)
    const began = performance.now()
    try {
      await reader.read(choicesOf(seed, input))
      accepted++
    } catch (error) {
      if (error instanceof Failure && isShort(error.message)) refused++
      else {
        const { message, stack = '' } = error as Error
        const kind = stack.split('\n').find((line) => line.includes('    at ')) ?? message
        if (!crashes.has(kind))
          crashes.set(kind, { input, message: `${message.slice(0, 300)}\n${stack.split('\n').slice(1, 7).join('\n')}` })
      }
    }
    const took = performance.now() - began
    if (took > slowest.milliseconds) slowest = { input, milliseconds: Math.round(took) }
    done++
  }
  return { reader: reader.name, inputs: done, accepted, refused, crashes: [...crashes.values()], slowest }
}

/** Whether a message can be read: it tells of the input, and is not the input. */
const isShort = (message: string): boolean => message.length < 20_000
