import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest'
import { ensureServer } from '../../server/index.js'
import { freePort } from '../../server/ports.js'
import { findProgram } from '../../server/programs.js'
import { createServer } from 'node:net'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'puzzleflow-programs-'))
  for (const name of ['bin', 'cache', 'state']) mkdirSync(join(folder, name))
  vi.stubEnv('PATH', join(folder, 'bin'))
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'))
  vi.stubEnv('XDG_STATE_HOME', join(folder, 'state'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  process.env.XDG_STATE_HOME = inject('stateHome')
  rmSync(folder, { recursive: true, force: true })
})
const silent = () => undefined

function program(path: string, text = ''): string {
  const file = join(folder, path)
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, `#!/bin/sh\n${text}\n`)
  chmodSync(file, 0o755)
  return file
}

test('`temporal` on PATH comes before everything else', async () => {
  program('cache/puzzleflow/temporal-cli/temporal')
  const path = program('bin/temporal')
  expect(await findProgram(silent)).toEqual({ kind: 'cli', path, source: `temporal on PATH (${path})` })
})

test('what is called `temporal` on PATH and is no program is passed over', async () => {
  mkdirSync(join(folder, 'bin/temporal'))
  const path = program('cache/puzzleflow/temporal-cli/temporal')
  expect(await findProgram(silent)).toEqual({ kind: 'cli', path, source: 'the official server, downloaded before' })
})

test('`temporal` is started on loopback with a database that stays and our search attributes', async () => {
  program('bin/temporal', `echo "$@" >> ${folder}/arguments; exit 1`)
  const failure = await ensureServer({ log: silent }).catch((error: unknown) => error)
  const log = join(folder, 'state/puzzleflow/server/server.log')
  expect(failure).toMatchObject({
    kind: 'NoServer',
    message: `The Temporal server (temporal on PATH (${folder}/bin/temporal)) did not start: see ${log}`,
    remedy: 'Give the address of another server: --address HOST:PORT.',
  })
  const given = readFileSync(join(folder, 'arguments'), 'utf8').split('\n')[0]
  expect(given?.replace(/port \d+/g, 'port N')).toBe(
    `server start-dev --db-filename ${folder}/state/puzzleflow/server/cli.sqlite --log-level warn --ip 127.0.0.1 ` +
      '--port N --ui-port N --dynamic-config-value matching.enableFairness=true --dynamic-config-value matching.numTaskqueueWritePartitions=1 ' +
      '--search-attribute PuzzleModel=Keyword --search-attribute PuzzleSpec=Keyword ' +
      '--search-attribute PuzzleStage=Keyword --search-attribute PuzzleProgress=Double ' +
      '--search-attribute PuzzleStatus=Keyword',
  )
})

test.each(['c#1', 'x%41y', 'a?b'])(
  '`temporal` is not started in a state directory %j, whose database it would not find',
  async (name) => {
    vi.stubEnv('XDG_STATE_HOME', join(folder, name))
    const path = program('bin/temporal', `touch ${folder}/started`)
    const failure = await ensureServer({ log: silent }).catch((error: unknown) => error)
    expect(failure).toMatchObject({
      kind: 'NoServer',
      message: `The folder ${folder}/${name}/puzzleflow/server has a "${/[#%?]/.exec(name)![0]}" in its path, which temporal on PATH (${path}) does not accept`,
      remedy: 'Set XDG_STATE_HOME to another folder, or give the address of a server: --address HOST:PORT.',
    })
    expect(existsSync(join(folder, 'started'))).toBe(false)
  },
)

test('a port that is taken is passed over', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as { port: number }
  const found = await freePort(port)
  expect(found).not.toBe(port)
  taken.close()
})
