import { Command } from 'commander'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { addCommands } from '../../cli/command-list.js'
import { noteGiven, programName, typed } from '../../cli/typed.js'
import { packageRoot } from '../../store/paths.js'

let folder: string
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'puzzleflow-typed-'))))
afterEach(() => {
  noteGiven({})
  rmSync(folder, { recursive: true })
})

/** An installed program, and a link to it. */
function install(link: string): string {
  const main = join(folder, 'lib/main.js')
  for (const file of [main, join(folder, link)]) mkdirSync(dirname(file), { recursive: true })
  writeFileSync(main, '')
  chmodSync(main, 0o755)
  symlinkSync(main, join(folder, link))
  return main
}

test('hints name the program as it can be started where the user is', () => {
  const main = install('bin/puzzleflow')
  const bin = join(folder, 'bin')
  expect(programName({ PATH: `/nowhere:${bin}` }, main, folder)).toBe('puzzleflow')
  // npm puts folders on PATH that are not there afterwards.
  expect(programName({ PATH: bin, npm_command: 'exec' }, main, folder)).toBe('npx puzzleflow')
  expect(programName({ PATH: '/nowhere' }, main, folder)).toBe('node lib/main.js')
  expect(programName({ PATH: '/nowhere' }, main, '/nowhere')).toBe(`node ${main}`)
  expect(programName({ PATH: '/nowhere' }, '/a b/main.js', folder)).toBe("node '/a b/main.js'")
  expect(programName({}, main, join(packageRoot(), 'cli'))).toBe('npx puzzleflow')
})

test('a program that is a dependency of the project around is started with npx', () => {
  const main = install('node_modules/.bin/puzzleflow')
  mkdirSync(join(folder, 'deep'))
  expect(programName({ PATH: '/nowhere' }, main, join(folder, 'deep'))).toBe('npx puzzleflow')
})

test('another program of the same name on PATH is not named', () => {
  const main = install('other/puzzleflow')
  writeFileSync(join(folder, 'puzzleflow'), '')
  chmodSync(join(folder, 'puzzleflow'), 0o755)
  expect(programName({ PATH: folder }, main, '/nowhere')).toBe(`node ${main}`)
})

test('hints repeat the store and the server that were given, in words that a shell reads whole', () => {
  expect(typed('status', 'mine')).toBe('npx puzzleflow status mine')
  noteGiven({ store: "my store's", address: '[::1]:7233' })
  expect(typed('retry', 'mine', 'a/b')).toBe(
    "npx puzzleflow retry mine a/b --store 'my store'\\''s' --address '[::1]:7233'",
  )
})

function sources(room: string): string[] {
  return readdirSync(room, { withFileTypes: true }).flatMap((entry) => {
    const path = join(room, entry.name)
    return entry.isDirectory() ? sources(path) : path.endsWith('.ts') ? [path] : []
  })
}

const rooms = ['activities', 'cli', 'model', 'plugins', 'report', 'server', 'solver', 'spec', 'store', 'workflows']
const texts = rooms
  .flatMap((room) => sources(join(packageRoot(), room)))
  .map((file) => readFileSync(file, 'utf8').replace(/^\s*(?:\/\/|\/?\*).*$/gm, ''))

/** The commands that hints name: made for the user, or fixed where nobody knows how the user typed. */
const hints = texts.flatMap((text) => [
  ...[...text.matchAll(/typed\(((?:'[^']*'|[\w.!()-]+|, )+)\)/g)].flatMap(([, words]) =>
    words!.startsWith('...') ? [] : [words!.split(', ').map((word) => /^'(.*)'$/.exec(word)?.[1] ?? 'VALUE')],
  ),
  ...[...text.matchAll(/npx puzzleflow ([^`\\'$]+|\$\{[^}]*\})+/g)].map(([hint]) =>
    hint
      .replace(/\$\{[^}]*\}/g, 'VALUE')
      .trim()
      .split(/\s+/)
      .slice(2),
  ),
])

test('each command that a hint names is there, with the options that it names', async () => {
  const program = new Command()
  await addCommands(program)
  const wrong = hints.filter((words) => {
    if (words[0] === 'VALUE') return false
    let command: Command | undefined = program
    const rest = [...words]
    while (command && command.commands.length > 0) {
      const name: string = rest.shift() ?? ''
      command = command.commands.find((own) => own.name() === name)
    }
    const flags = rest.filter((word) => word.startsWith('-'))
    return !command || flags.some((flag) => !command?.options.some(({ short, long }) => [short, long].includes(flag)))
  })
  expect(wrong).toEqual([])
  expect(hints.length).toBeGreaterThan(15)
})

test('no hint names a command that is on nobody’s PATH', () => {
  const names =
    /(?<!npx )\bpuzzleflow (?:run|plan|status|worker|artifacts|scores|profile|plugins|schema|export|retry|skip|approve|cancel)\b/
  const found = texts.flatMap((text) =>
    text.split('\n').filter((line) => /['"`]/.test(line) && names.test(line) && !/ description: /.test(line)),
  )
  expect(found).toEqual([])
})
