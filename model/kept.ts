import { stampNow } from '../store/files.js'

/** Milliseconds that something is kept after it was asked for last. */
const keptFor = 10_000

/**
 * Keeps what was made of files last, for some seconds and while the files stay as they are: checks of a spec ask for the same large
 * vocabulary several times, one after the other.
 * @param files  those that it is made of
 */
export function kept<T>(make: (path: string) => T, files: (path: string) => readonly string[]): (path: string) => T {
  let last: { readonly of: string; readonly value: T } | undefined
  let clock: NodeJS.Timeout | undefined
  return (path) => {
    const of = JSON.stringify([path, files(path).map((file) => [file, stampNow(file)])])
    if (last?.of !== of) last = { of, value: make(path) }
    clearTimeout(clock)
    clock = setTimeout(() => (last = undefined), keptFor).unref()
    return last.value
  }
}
