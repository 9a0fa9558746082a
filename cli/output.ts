import pc from 'picocolors'
import { visible, visibleInColour } from '../errors/visible.js'

/** Whether a stream gets colours: terminals do, unless NO_COLOR is set; FORCE_COLOR gives them to files and programs too. */
export function hasColours(
  { isTTY = false }: { readonly isTTY?: boolean },
  { NO_COLOR = '', FORCE_COLOR = '', TERM }: NodeJS.ProcessEnv = process.env,
): boolean {
  if (NO_COLOR !== '') return false
  if (FORCE_COLOR !== '') return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  return isTTY && TERM !== 'dumb'
}

/** Colours of what is written to stderr. */
export const colours = pc.createColors(hasColours(process.stderr))
/** Colours of what is written to stdout. */
export const coloursOfOutput = pc.createColors(hasColours(process.stdout))

// Colours pass where there are any; other control characters of what is told come from files, and do not.
const shownTo = ({ isColorSupported }: typeof colours) => (isColorSupported ? visibleInColour : visible)

const toStderr = (text: string): void => void process.stderr.write(text)
let write = toStderr
let quiet = false

/** Whether only `tell` writes to stderr, not `log`. */
export const setQuiet = (on: boolean): void => void (quiet = on)

/** Has text for stderr go through what is drawn on the terminal; without an argument, straight to it again. */
export const writeThrough = (through: (text: string) => void = toStderr): void => void (write = through)

/** Writes errors, and how a run has ended, to stderr. */
export const tell = (line: string): void => write(`${shownTo(colours)(line)}\n`)
/** Writes progress and logs to stderr, never to stdout. Nothing with `--quiet`. */
export const log = (line: string): void => void (quiet || tell(line))
export const print = (text: string): void => void process.stdout.write(`${shownTo(coloursOfOutput)(text)}\n`)

/** Writes a model's text, without a line feed: as it is to a file or a program, harmless to a terminal. */
export const printText = (text: string): void => void process.stdout.write(process.stdout.isTTY ? visible(text) : text)

/** Columns of the terminal to which stdout goes, for tables; undefined where it goes to a file or program. */
export const tableWidth = (): number | undefined => (process.stdout.isTTY ? process.stdout.columns || 80 : undefined)

/** Readers of JSON take escapes of control characters for the characters themselves. */
export const printJson = (value: unknown): void =>
  void process.stdout.write(`${JSON.stringify(value, null, 2).replace(/[\u007f-\u009f]/g, escaped)}\n`)

const escaped = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
