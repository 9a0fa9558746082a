import type { Json } from './block.js'

/**
 * Generates all combinations of lists of values lazily; the last list varies fastest, and duplicates count once.
 *
 * @example
 * ```ts
 * grid({ kvHeads: [4, 2], window: [64, 128] }) // { kvHeads: 4, window: 64 }, { kvHeads: 4, window: 128 }, …
 * ```
 */
export function* grid<T extends Readonly<Record<string, readonly Json[]>>>(
  axes: T,
): Generator<{ [K in keyof T]: T[K][number] }, void> {
  const [[name, values] = [], ...rest] = Object.entries(axes)
  if (name === undefined || values === undefined) return void (yield {} as { [K in keyof T]: T[K][number] })
  for (const value of new Set(values))
    for (const others of grid(Object.fromEntries(rest)))
      yield { [name]: value, ...others } as { [K in keyof T]: T[K][number] }
}
