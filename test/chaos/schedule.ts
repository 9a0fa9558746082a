import { uniform } from '../noise.js'

/** What can be killed; `all` is everything at once. */
export const kinds = ['cli', 'worker', 'child', 'server', 'all'] as const
export type Kind = (typeof kinds)[number]

/** A planned kill. */
export interface PlannedKill {
  readonly kind: Kind
  /** The stage that must be running. */
  readonly stage: string
  /** Milliseconds to wait once it is running. */
  readonly delay: number
  /** Whether to wait until a task of the stage is computing. */
  readonly atWork: boolean
}

/**
 * Distributes kills over all stages in order: the same number in each, the remainder in the longest ones. The kinds take turns in
 * random order.
 */
export function schedule(
  kills: number,
  stages: readonly { readonly name: string; readonly milliseconds: number }[],
  seed: number,
): PlannedKill[] {
  const random = uniform(seed)
  for (let i = 0; i < 8; i++) random() // neighbouring seeds begin alike
  const each = Math.floor(kills / stages.length)
  const longest = stages.toSorted((a, b) => b.milliseconds - a.milliseconds).slice(0, 3)
  const counts = new Map(stages.map(({ name }) => [name, each]))
  for (let i = each * stages.length; i < kills; i++) {
    const { name } = longest[i % longest.length]!
    counts.set(name, counts.get(name)! + 1)
  }
  const deck: Kind[] = []
  const draw = (): Kind => {
    if (deck.length === 0) {
      deck.push(...kinds)
      for (let i = deck.length - 1; i > 0; i--) {
        const j = Math.floor(random() * (i + 1))
        ;[deck[i], deck[j]] = [deck[j]!, deck[i]!]
      }
    }
    return deck.pop()!
  }
  return stages.flatMap(({ name, milliseconds }) => {
    const count = counts.get(name)!
    return Array.from({ length: count }, (_, i) => ({
      kind: draw(),
      stage: name,
      // The first kill also hits short stages while they compute; the others come at any time.
      delay: i === 0 ? 0 : Math.round((random() * milliseconds) / (count + 1)),
      atWork: i === 0 || random() < 2 / 3,
    }))
  })
}
