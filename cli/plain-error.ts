import { Failure } from '../api/index.js'
import { isFailureKind } from '../errors/kinds.js'
import { BadSpec, explain } from './explain.js'

/** A run was cancelled while a program followed it. */
export class Cancelled extends Error {
  /** The error's class, for those that cannot use `instanceof`. */
  override readonly name = 'Cancelled'
}

/** Throws an error again as programs expect it: what was wrapped by Temporal or the system becomes a `Failure` with a kind
 *  and a remedy, or `Cancelled`. A defect stays what it is. For promises: `.catch(throwPlain)`. */
export function throwPlain(error: unknown): never {
  if (error instanceof BadSpec || error instanceof Failure) throw error
  const { kind, message, remedy } = explain(error).json
  if (kind === 'Cancelled') throw new Cancelled(message, { cause: error })
  if (!isFailureKind(kind)) throw error
  throw new Failure(kind, message, { cause: error, ...(remedy !== undefined && { remedy }) })
}
