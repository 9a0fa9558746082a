import { readFileSync } from 'node:fs'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { Failure } from '../api/index.js'

/** Line and column of a stack in the code of a compiled plugin. */
const frame = /(?:file:\/\/)?(\/[^\n()]*\/plugins\/[0-9a-f]{64}\/plugin\.mjs):(\d+):(\d+)/

/**
 * Where in the author's sources an error came up: `index.ts:12:20 of plugin mine`, the file from the plugin's folder.
 * Undefined when no code of a plugin was at work, or its source map is not on this machine.
 */
export function placeInPlugin({ stack = '' }: Error): string | undefined {
  const [, path, line, column] = frame.exec(stack) ?? []
  if (path === undefined) return undefined
  try {
    const file = decodeURIComponent(path)
    const map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')) as SourceMapPayload)
    const entry = map.findEntry(Number(line) - 1, Number(column) - 1)
    if (!('originalSource' in entry)) return undefined
    const [, name] = /^\/\/ (\S+)/.exec(readFileSync(file, 'utf8')) ?? []
    return `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn + 1} of plugin ${name}`
  } catch {
    return undefined
  }
}

/**
 * An error with its place in a plugin's sources in its message, where there is one. Shapes that do not go together are
 * the plugin's mistake, and will be at every attempt.
 */
export function withPlace(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof Failure) return error
  const place = placeInPlugin(error)
  if (place === undefined) return error
  const message = `${error.message} (${place})`
  if (error.name === 'ShapeError')
    return Object.assign(new Failure('PluginBug', message, { cause: error }), { stack: error.stack })
  error.message = message
  return error
}
