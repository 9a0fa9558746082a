import { uniform } from '../noise.js'

/** What can be killed; `all` is all of it at once. */
export const kinds = ['cli', 'worker', 'child', 'server', 'all'] as const
export type Kind = (typeof kinds)[number]

/** A kill that is to be. */
export interface PlannedKill {
  readonly kind: Kind
  /** It is for a moment in which this stage runs. */
  readonly stage: string
  /** After so many milliseconds in which it does. */
  readonly delay: number
  /** Then when a task of the stage computes next; else whatever goes on. */
  readonly atWork: boolean
}

/**
 * Kills over all stages, in their order: as many in each, what is left in the longest ones; the kinds take turns in an
 * order drawn anew each time.
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
      // The first one hits short stages, too, while they compute; the others come at any time.
      delay: i === 0 ? 0 : Math.round((random() * milliseconds) / (count + 1)),
      atWork: i === 0 || random() < 2 / 3,
    }))
  })
}
