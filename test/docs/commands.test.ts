import { Command } from 'commander'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addCommands } from '../../cli/command-list.js'
import { packageRoot } from '../../store/paths.js'
import { runHere } from '../cli/here.js'
import { Place } from '../cli/puzzleflow.js'
import { writeTinySearch } from '../cli/tiny-search.js'
import { commands, pages } from './pages.js'

interface Line {
  readonly page: string
  readonly line: string
  /** Without `npx puzzleflow`. */
  readonly words: readonly string[]
}

/** Words of a shell's command: quotes hold words together, brackets of what may be left out go, redirections end it. */
function words(command: string): string[] {
  const found = [...command.matchAll(/'([^']*)'|"([^"]*)"|([^\s'"]+)/g)].map(
    ([, single, double, bare = '']) => single ?? double ?? bare.replace(/^\[|\]$|…$/g, ''),
  )
  const end = found.findIndex((word) => /^(\d?>|<|&$)/.test(word))
  return (end === -1 ? found : found.slice(0, end)).filter((word) => word !== '' && word !== '|')
}

/** Every command line of puzzleflow in the documentation. */
const lines: readonly Line[] = pages().flatMap(({ path, text }) =>
  commands(text).flatMap((line) =>
    line.split(/ && | \|\| |; | \| /).flatMap((part): Line[] => {
      const [, rest] = /(?:^|\s)(?:npx )?puzzleflow (.+)$/.exec(part) ?? []
      const isTyped = /^(?:[A-Z_]+=\S+ )*(?:npx )?puzzleflow /.test(part.trim())
      return rest === undefined || !isTyped ? [] : [{ page: path, line, words: words(rest) }]
    }),
  ),
)

/** What stands for a value in the documentation, and one. */
const values: Readonly<Record<string, string>> = {
  N: '2',
  'HOST:PORT': '127.0.0.1:7233',
  'HOST[:PORT]': '127.0.0.1:7233',
  STAGE: 'distill',
  'STAGE/TASK': 'distill/child',
}

/** The commands as they are, but doing nothing. */
async function parser(): Promise<Command> {
  const program = new Command('puzzleflow')
  await addCommands(program)
  const quiet = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined })
    if (command.commands.length === 0) command.action(() => undefined)
    command.commands.forEach(quiet)
  }
  quiet(program)
  return program
}

test('the documentation has many commands', () => {
  expect(lines.length).toBeGreaterThan(50)
})

test.each(lines.map((line) => [line.page, line.line, line] as const))('%s: %s', async (_, __, line) => {
  const program = await parser()
  const given = line.words.map((word) => values[word] ?? word)
  await expect(program.parseAsync(given, { from: 'user' })).resolves.toBe(program)
})

test('what commands do not know is refused here, too', async () => {
  const parse = async (...given: string[]) => (await parser()).parseAsync(given, { from: 'user' })
  await expect(parse('run', 'SPEC', '--fast')).rejects.toThrow("unknown option '--fast'")
  await expect(parse('rum', 'SPEC')).rejects.toThrow("unknown command 'rum'")
  await expect(parse('run')).rejects.toThrow("missing required argument 'spec'")
})

test.each(pages().map(({ path, text }) => [path, text] as const))('scripts that %s names are there', (_, text) => {
  const { scripts } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>
  }
  const typed = commands(text).join('\n')
  const npm = [...typed.matchAll(/\bnpm run ([\w-]+)/g)].map(([, name = '']) => name)
  const files = [...text.matchAll(/\bnode ((?:bench|scripts|examples)\/[\w./-]+\.mjs)/g)].map(([, name = '']) => name)
  expect(npm.filter((name) => scripts[name] === undefined)).toEqual([])
  expect(files.filter((name) => !existsSync(join(packageRoot(), name)))).toEqual([])
})

describe('commands that need no server', () => {
  let place: Place
  beforeAll(async () => {
    place = new Place(await writeTinySearch())
  })
  afterAll(() => place.close())

  const cheap = ['validate', 'plan', 'graph', 'schema', 'doctor', 'plugins']
  const files: Readonly<Record<string, string>> = {
    ...{ FILE: 'search.yaml', SPEC: 'search.yaml', 'search.yaml': 'search.yaml', MODEL: 'parent' },
  }
  const typed = lines
    .map((line) => ({ ...line, words: line.words.map((word) => files[word] ?? word) }))
    .filter((line) => cheap.includes(line.words[0]!) && line.words.every((word) => !/^[A-Z]{2,}|\//.test(word)))
    .map((line) => line.words.join(' '))

  test.each([...new Set(typed)])('%s', async (line) => {
    const { code, stderr } = await runHere(place, ...line.split(' '))
    expect({ code, stderr }).toMatchObject({ code: 0 })
  })
})
