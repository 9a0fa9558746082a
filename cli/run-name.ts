import { Failure } from '../api/index.js'

/** Names of runs are names of folders and documents: none leads elsewhere, or is hidden. */
export const isRunName = (name: string): boolean => /^[\w-][\w.-]{0,99}$/.test(name) && !name.includes('..')

/** @throws Failure InvalidInput if a run cannot have this name */
export function checkRunName(name: string): void {
  if (isRunName(name)) return
  throw new Failure('InvalidInput', `"${name.slice(0, 200)}" is not a valid name for a run`, {
    remedy: 'Use letters, digits, single dots and dashes, at most 100; the first one is not a dot.',
  })
}
