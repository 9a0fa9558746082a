import { findAll, without } from '../data/harness/python-regex.js'
import type { Comparison, Filter } from '../data/task.js'

/** A text up to the first of the texts that end it. */
export const cut = (text: string, until: readonly string[]): string =>
  until.reduce((own, end) => own.split(end, 1)[0]!, text)

/** A text after a filter. */
export function applied(text: string, filter: Filter): string {
  switch (filter.function) {
    case 'take_first':
      return text
    case 'remove_whitespace':
      return text.trim()
    case 'lowercase':
      return text.toLowerCase()
    case 'uppercase':
      return text.toUpperCase()
    case 'regex': {
      const groups = findAll(filter.pattern, text).at(filter.group)
      const found = groups && groups.length > 1 ? groups.find((group) => group !== '') : groups?.[0]
      return found === undefined ? filter.fallback : found.trim()
    }
  }
}

const punctuation = /[!-/:-@[-`{-~]/g

/** A text without what does not count. */
function comparable(text: string, { ignore = [], ignoreCase, ignorePunctuation, ignoreNumbers }: Comparison): string {
  let own = ignore.reduce((left, pattern) => without(pattern, left), text)
  if (ignoreCase) own = own.toLowerCase()
  if (ignorePunctuation) own = own.replace(punctuation, '')
  return ignoreNumbers ? own.replace(/[0-9]/g, '') : own
}

/** Whether two texts are the same, but for what does not count. */
export const sameText = (a: string, b: string, comparison: Comparison): boolean =>
  comparable(a, comparison) === comparable(b, comparison)
