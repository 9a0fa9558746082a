import { Failure, type FailureKind } from '../../errors/failure.js'

/** What `doctor` says about one thing. */
export interface Check {
  readonly name: string
  /** `optional`: it is not there, and most searches do without it. `warning`: searches work, but not as well as they could, or
   *  not all of them. `missing`: no search works until this is fixed. */
  readonly state: 'ok' | 'optional' | 'warning' | 'missing'
  /** What is there, or what is wrong. */
  readonly found: string
  /** How to fix it, with the command. */
  readonly remedy?: string
  /** How a command ends for want of it. Only of what is missing. */
  readonly kind?: FailureKind
}

export const ok = (name: string, found: string): Check => ({ name, state: 'ok', found })

export const missing = (name: string, kind: FailureKind, found: string, remedy: string): Check => ({
  ...{ name, state: 'missing', found, remedy, kind },
})

/** A failure as a check. @throws the error if it is not a failure: then puzzleflow has a defect */
export function failed(name: string, error: unknown, state: 'missing' | 'warning' | 'optional' = 'missing'): Check {
  if (!(error instanceof Failure)) throw error
  const { kind, message, remedy } = error
  return { name, state, found: message, ...(remedy !== undefined && { remedy }), ...(state === 'missing' && { kind }) }
}
