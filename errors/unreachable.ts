import { shown } from './foreign.js'

/**
 * Ends a `switch` that handles every case, so that the compiler rejects it once a new case is missing.
 *
 *     default:
 *       return unreachable(kind)
 *
 * @throws Error always: only a value that contradicts its type gets here
 */
export function unreachable(value: never): never {
  throw new Error(`Internal error: unexpected value ${shown(value)}`)
}
