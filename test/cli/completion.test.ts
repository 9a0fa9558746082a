import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { expect, test } from 'vitest'
import { addCommands } from '../../cli/command-list.js'
import { candidates } from '../../cli/completions.js'
import { completionCommands } from '../../cli/commands/completion.js'
import { openStore } from '../../store/index.js'
import { runHere } from './here.js'
import { Place } from './puzzleflow.js'

const place = new Place(mkdtempSync(join(tmpdir(), 'puzzleflow-completion-')))
const store = await openStore(place.store)
const plan = await store.putJson('plan', { stages: [{ name: 'prepare' }, { name: 'distill' }] })
for (const run of ['tiny', 'tall'])
  await store.putDocument(`runs/${run}`, { run, name: 'animals', plan, workflowId: 'w', startedAt: '2026-01-01' })

const complete = async (...words: readonly string[]) =>
  (await candidates(new Command('puzzleflow'), words, addCommands)).map(({ word }) => word)
const at = ['--store', place.store]

test('commands and their parts are completed, hidden ones are not', async () => {
  expect(await complete('s')).toEqual(['schema', 'solve', 'server', 'sweep', 'status', 'scores', 'skip'])
  expect(await complete('comp')).toEqual(['compare', 'completion'])
  expect(await complete('server', 'st')).toEqual(['start', 'status', 'stop'])
})

test('so are options and their choices', async () => {
  expect(await complete('run', 'search.yaml', '--de')).toEqual(['--detach'])
  expect(await complete('export', 'child', '--format', 'g')).toEqual(['gguf'])
  expect(await complete('completion', '')).toEqual(['bash', 'zsh', 'fish'])
})

test('runs come from the store, stages from the run', async () => {
  expect(await complete('scores', ...at, 't')).toEqual(['tall', 'tiny'])
  expect(await complete('run', 'search.yaml', ...at, '--run', 'ti')).toEqual(['tiny'])
  expect(await complete('approve', ...at, 'tiny', '')).toEqual(['prepare', 'distill'])
  expect(await complete('explain', 'tiny', ...at, 'd')).toEqual(['distill/'])
})

test('where nothing is known, nothing is proposed: shells propose files', async () => {
  expect(await complete('run', '')).toEqual([])
  expect(await complete('scores', '--store', join(place.folder, 'nowhere'), '')).toEqual([])
  expect(await complete('explain', ...at, 'unknown', '')).toEqual([])
})

test('names come with words about them', async () => {
  const { stdout } = await runHere(place, 'complete', '--', 'resu')
  expect(stdout).toBe('result\tshow parent and child side by side\nresume\tcontinue after a pause\n')
})

/** Shells that are installed, with what completes `puzzleflow resu` in each and prints it. */
const shells = {
  bash: 'COMP_WORDS=(puzzleflow resu); COMP_CWORD=1; _puzzleflow; echo "${COMPREPLY[@]}"',
  zsh: '_describe() { print -l -- ${(P)2} }; words=(puzzleflow resu); CURRENT=2; _puzzleflow',
  fish: "complete -C 'puzzleflow resu'",
}
test.each(Object.entries(shells))('the script for %s asks the program', (shell, ask) => {
  const isThere = spawnSync(shell, ['-c', 'exit 0']).status === 0
  if (!isThere) return
  let script = ''
  const program = new Command()
  const write = process.stdout.write.bind(process.stdout)
  process.stdout.write = (text) => Boolean((script += String(text)))
  try {
    completionCommands(addCommands)(program)
    program.parse(['completion', shell], { from: 'user' })
  } finally {
    process.stdout.write = write
  }
  const bin = join(place.folder, 'bin')
  mkdirSync(bin, { recursive: true })
  writeFileSync(
    join(bin, 'puzzleflow'),
    '#!/bin/sh\n[ "$*" = "complete -- resu" ] && printf "result\\tshow: all\\nresume\\n"\n',
  )
  chmodSync(join(bin, 'puzzleflow'), 0o755)
  const head = shell === 'zsh' ? 'autoload -U compinit; compinit -D -u\n' : ''
  const { stdout, stderr } = spawnSync(shell, ['-c', `${head}${script}\n${ask}`], {
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}`, HOME: place.folder },
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(stdout).toMatch(/result/)
  expect(stdout).toMatch(/resume/)
})
