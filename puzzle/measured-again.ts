import { existsSync, statSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { RunningTask } from '../api/index.js'
import { watchOthers } from './machine-load.js'

/** Others' share of the processors above which they may be why a measurement is imprecise; the report warns of the same. */
const busy = 0.25
/** The share below which a machine counts as quiet. */
const quiet = 0.1
/** Milliseconds of one look at what others do. */
const look = 2000
/** Looks until others are taken to go on: half a minute. */
const mostLooks = 15
/** Milliseconds in which nothing waits after a wait in vain: on a machine that stays busy, waiting takes a twentieth of the time. */
const rest = 600_000

/** A measurement that what others did may have disturbed. */
export interface Disturbable {
  /** Half the width of an interval, in seconds. */
  readonly error: number
  /** Whether the interval is as narrow as it was to be. */
  readonly precise: boolean
  /** Share of the processors, 0 to 1, that other programs used meanwhile; absent where that was too short to say. */
  readonly load?: number
}

/**
 * Measures. If the result is imprecise and other programs were at work, waits until they are not, for a bounded time, and measures
 * once more. The more precise of the two counts, whatever it says.
 * @returns `again` where it is the second one
 */
export async function measuredAgain<T extends Disturbable>(
  measure: () => Promise<T>,
  becomesQuiet: (load: number) => Promise<boolean>,
): Promise<T & { readonly again?: true }> {
  const first = await measure()
  const { load = 0 } = first
  if (first.precise || load <= busy || !(await becomesQuiet(load))) return first
  const second = await measure()
  return second.precise || second.error < first.error ? { ...second, again: true } : first
}

/** How it is found out what others do; tests use clocks of their own. */
export interface Watch {
  /** See `watchOthers`. */
  readonly others: () => () => number | undefined
  readonly pause: (milliseconds: number, value: undefined, options: { signal: AbortSignal }) => Promise<unknown>
}

/**
 * Waits until other programs use little of the processors: half a minute at most, and not at all within ten minutes of a wait that
 * was in vain, whichever task or search it was of.
 * @param load  what they used before
 * @returns whether they do
 */
export async function becomesQuiet(
  load: number,
  { machineState, progress, signal }: Pick<RunningTask, 'machineState' | 'progress' | 'signal'>,
  watch: Watch = { others: watchOthers, pause },
): Promise<boolean> {
  const inVain = join(machineState, 'profiles', 'waited-in-vain')
  if (existsSync(inVain) && Date.now() - statSync(inVain).mtimeMs < rest) return false
  for (let i = 0, now = load; i < mostLooks; i++) {
    const percent = Math.round(100 * now)
    progress(i / mostLooks, `other programs use ${percent} % of the processors: waiting up to half a minute`)
    const others = watch.others()
    await watch.pause(look, undefined, { signal }).catch(() => signal.throwIfAborted())
    // Of two seconds there is always something to say.
    now = others() ?? now
    if (now < quiet) return true
  }
  await mkdir(dirname(inVain), { recursive: true })
  await writeFile(inVain, '')
  return false
}
