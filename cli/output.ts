import pc from 'picocolors'
import { visible, visibleInColour } from '../errors/visible.js'

// Colours pass where there are any; other control characters of what is told come from files, and do not.
const shown = pc.isColorSupported ? visibleInColour : visible

/** Writes progress and logs to stderr, never to stdout. */
export const log = (line: string): void => void process.stderr.write(`${shown(line)}\n`)
export const print = (text: string): void => void process.stdout.write(`${shown(text)}\n`)

/** Writes a model's text, without a line feed: as it is to a file or a program, harmless to a terminal. */
export const printText = (text: string): void => void process.stdout.write(process.stdout.isTTY ? visible(text) : text)

/** Readers of JSON take escapes of control characters for the characters themselves. */
export const printJson = (value: unknown): void =>
  void process.stdout.write(`${JSON.stringify(value, null, 2).replace(/[\u007f-\u009f]/g, escaped)}\n`)

const escaped = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
