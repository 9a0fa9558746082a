import { Failure } from '../../api/index.js'
import { within } from '../../errors/within.js'
import { shown } from '../../errors/foreign.js'

/**
 * A regular expression of Python's `re`, for texts, as JavaScript has it. \w, \d and \b know ASCII only.
 * @throws Failure InvalidInput for what JavaScript cannot express
 */
export function pythonRegex(pattern: string): RegExp {
  const bad = (what: string) =>
    new Failure('InvalidInput', `the regular expression ${shown(pattern)} ${what}`, {
      remedy: 'Write it without this.',
    })
  let flags = 'g'
  let rest = pattern
  const [inline, letters] = /^\(\?([a-zA-Z]+)\)/.exec(pattern) ?? []
  if (inline !== undefined && letters !== undefined) {
    for (const letter of new Set(letters)) {
      if (!'imsau'.includes(letter)) throw bad(`has the flag (?${letter}), which is not supported`)
      if ('ims'.includes(letter)) flags += letter
    }
    rest = rest.slice(inline.length)
  }
  const multiline = flags.includes('m')
  let text = ''
  for (let at = 0; at < rest.length;) {
    const char = rest[at]!
    const two = rest.slice(at, at + 2)
    if (char === '\\') {
      text += two === '\\A' ? '(?<![\\s\\S])' : two === '\\Z' ? '(?![\\s\\S])' : two
      at += 2
    } else if (char === '[') {
      const end = classEnd(rest, at)
      if (end < 0) throw bad('has a [ without a ]')
      text += rest.slice(at, end).replace(/^(\[\^?)\]/, '$1\\]')
      at = end
    } else if (char === '$' && !multiline) {
      text += '(?=\\n?(?![\\s\\S]))'
      at++
    } else if (rest.startsWith('(?P', at)) {
      const [whole, name] = /^\(\?P=(\w+)\)/.exec(rest.slice(at)) ?? []
      text += whole === undefined ? '(?' : `\\k<${name}>`
      at += whole === undefined ? 3 : whole.length
    } else if (/^\{,\d+\}/.test(rest.slice(at))) {
      text += '{0,'
      at += 2
    } else {
      text += char
      at++
    }
  }
  try {
    return new RegExp(text, flags)
  } catch (error) {
    throw bad(`is not supported: ${(error as Error).message.replace(/^Invalid regular expression: /, '')}`)
  }
}

/** Where a class ends, behind its ]; in Python one that comes first is a character. */
function classEnd(text: string, from: number): number {
  let at = from + 1
  if (text[at] === '^') at++
  if (text[at] === ']') at++
  for (; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === ']') return at + 1
  }
  return -1
}

/** Matches as Python's `findall` gives them: the whole, or its groups where it has some. */
export function findAll(pattern: string, text: string): readonly (readonly string[])[] {
  const expression = pythonRegex(pattern)
  return bounded(pattern, () =>
    [...text.matchAll(expression)].map(([whole, ...groups]) =>
      groups.length === 0 ? [whole] : groups.map((group: string | undefined) => group ?? ''),
    ),
  )
}

/** A text without what a pattern matches. */
export const without = (pattern: string, text: string): string =>
  bounded(pattern, () => text.replace(pythonRegex(pattern), ''))

function bounded<T>(pattern: string, work: () => T): T {
  const found = within(1000, work)
  if (found.done) return found.value
  throw new Failure('InvalidInput', `the regular expression ${shown(pattern)} takes more than a second`, {
    remedy: 'Write one that does not try so many ways to match: without nested repetitions, for instance.',
  })
}
