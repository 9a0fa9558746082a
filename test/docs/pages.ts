import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../store/paths.js'

/** A page of the documentation. */
export interface Page {
  /** Path from the project's root. */
  readonly path: string
  readonly text: string
}

/** All pages that people read: those of the root, of docs/ and of the examples. */
export function pages(): Page[] {
  const below = (folder: string) =>
    readdirSync(join(packageRoot(), folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path))
  return [...readdirSync(packageRoot()), ...below('docs'), ...below('examples')]
    .filter((path) => path.endsWith('.md') && !path.includes('node_modules') && path !== 'NOTES.md')
    .sort()
    .map((path) => ({ path, text: readFileSync(join(packageRoot(), path), 'utf8') }))
}

/** The text of a page without code. */
export const prose = (text: string): string => text.replace(/^( *)```[^]*?^\1```$/gm, '').replace(/`[^`\n]*`/g, '``')

/** What a page's fenced blocks for a shell hold, a command a line: prompts, comments and continuations are taken out. */
export const commands = (text: string): string[] =>
  [...text.matchAll(/^( *)```(?:sh|bash|console)\n([^]*?)^\1```$/gm)].flatMap(([, , block = '']) => {
    const typed = block.replace(/\\\n\s*/g, ' ').split('\n')
    const isConsole = typed.some((line) => /^\s*\$ /.test(line))
    return typed
      .filter((line) => !isConsole || /^\s*\$ /.test(line))
      .map((line) =>
        line
          .replace(/^\s*\$ /, '')
          .replace(/(^|\s)#.*$/, '')
          .trim(),
      )
      .filter((line) => line !== '')
  })
