import type { Diagnostic } from './diagnostics.js'

/** A text in which mistakes were found. */
interface Source {
  readonly file: string
  readonly text: string
}

/**
 * Explains mistakes by the characters at fault: typographic quotes, a decimal comma, `no` for false. How YAML reads them
 * surprises most people.
 */
export function explainTraps(diagnostics: readonly Diagnostic[], { file, text }: Source): readonly Diagnostic[] {
  if (diagnostics.length === 0) return diagnostics
  const lines = text.split(/\r?\n/)
  return diagnostics.map((diagnostic) => {
    if (diagnostic.file !== file) return diagnostic
    const { line, column, length = 1 } = diagnostic
    const all = lines[line - 1] ?? ''
    const at = {
      written: all.slice(column - 1, column - 1 + length).replace(/^ +| +$/g, ''),
      before: all.slice(0, column - 1),
    }
    const hint = trap(diagnostic, at)
    return hint === undefined ? diagnostic : { ...diagnostic, hint }
  })
}

/** The hint for a mistake. Only text that is wrong gets here: other alphabets are not mistakes in themselves. */
function trap(
  { code, message }: Diagnostic,
  { written, before }: { written: string; before: string },
): string | undefined {
  const alike = lookAlike(written)
  if (alike !== undefined) return alike
  if (code === 'missing-file' && /^(["']).*\1$/.test(inner(written)) && inner(written) !== written)
    return 'there are quotes within the quotes'
  const isWord = /^(?:yes|no|on|off|y|n)$/i.test(written)
  if (isWord && /\b(?:true|false)\b/.test(message)) {
    const meant = /^(?:yes|on|y)$/i.test(written)
    return `YAML 1.2 reads ${written} as a string: write ${meant}`
  }
  if (/^(["'])(?:true|false)\1$/.test(written) && message.includes('true or false')) return 'remove the quotes'
  const plain = inner(written)
  if (/ must be a list, not "/.test(message)) return `write [${plain}]`
  if (/^(?:wrong-unit|wrong-type|wrong-value|out-of-range)$/.test(code)) {
    if (/ must be a string, not /.test(message)) {
      if (written === '~') return 'YAML reads ~ as null'
      if (/^(?:[-+.\d]\S*|true|false)$/i.test(written)) return `put it in quotes: '${written}'`
    }
    if (/\d,\d/.test(plain) && !/^[[{]/.test(plain))
      return `write numbers with a decimal point and without commas: ${plain.replace(',', '.')} or ${plain.replaceAll(',', '')}`
    const [, first, second, third] = /^(\d+):(\d\d)(?::(\d\d))?$/.exec(plain) ?? []
    if (third !== undefined && message.includes('duration'))
      return `write ${(Number(first) * 60 + Number(second)) * 60 + Number(third)} s`
    if (second !== undefined && message.includes('duration')) {
      const total = Number(first) * 60 + Number(second)
      return `write ${total} min for hours and minutes, or ${total} s for minutes and seconds`
    }
    if (/\S#/.test(plain)) return 'put a space before the # of a comment'
  }
  const [, key, value] = code === 'unknown-key' ? (/^([\w-]+):(\S.*)$/.exec(written) ?? []) : []
  if (key !== undefined) return `put a space after the colon: ${key}: ${value}`
  if (code === 'unknown-key' && /^\d/.test(written) && /\d,\s*$/.test(before)) {
    const number = /[\d]+(?=,\s*$)/.exec(before)![0]
    return `a comma in { } ends a value: write ${number}${written}, or ${number}.${written} with a point`
  }
  return undefined
}

/** Without one pair of quotes. */
const inner = (written: string): string => /^(["'])(.*)\1$/.exec(written)?.[2] ?? written

/** Characters that look like others, by what they are taken for. */
const alikes: readonly (readonly [name: string, characters: string])[] = [
  ['"', '\u201c\u201d\u201e\u201f\u00ab\u00bb\uff02'],
  ["'", '\u2018\u2019\u201a\u201b\uff07'],
  ['-', '\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d'],
  ['a space', '\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000'],
  ['nothing', '\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff'],
  ['>=', '\u2265\u2a7e'],
  ['<=', '\u2264\u2a7d'],
  ['x', '\u00d7\u2715'],
  [':', '\uff1a'],
  [',', '\uff0c\u201a'],
  ['%', '\uff05\u066a'],
  ['.', '\uff0e\u3002'],
]

function lookAlike(written: string): string | undefined {
  for (const character of written) {
    const plain = alikes.find(([, characters]) => characters.includes(character))?.[0]
    const digit = /[\uff10-\uff19]/.test(character) ? String(character.charCodeAt(0) - 0xff10) : undefined
    const code = `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`
    if (plain === 'a space' || plain === 'nothing') return `it contains the invisible character ${code}: write ${plain}`
    if (plain !== undefined || digit !== undefined) return `it contains ${character} (${code}): write ${plain ?? digit}`
  }
  return undefined
}
