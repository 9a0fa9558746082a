import { Command } from 'commander'
import { expect, test } from 'vitest'
import { addCommands } from '../../cli/command-list.js'
import { examples, leaves } from '../../cli/examples.js'

/** The program, whose commands only note that they would run. */
async function dryProgram(): Promise<{ program: Command; ran: string[] }> {
  const ran: string[] = []
  const program = new Command('puzzleflow').exitOverride().configureOutput({ writeErr: () => undefined })
  await addCommands(program)
  for (const [name, command] of leaves(program)) command.exitOverride().action(() => void ran.push(name))
  return { program, ran }
}

/** Words of a command line, without what a shell does with its output. */
const wordsOf = (line: string): string[] =>
  [...line.replace(/ (>|\||>>) .*$/, '').matchAll(/(?:"[^"]*"|[^\s"])+/g)].map(([word]) => word.replaceAll('"', ''))

test('every command that can be typed has examples, and no other has', async () => {
  const { program } = await dryProgram()
  const names = [...leaves(program)].map(([name]) => name).filter((name) => name !== 'complete')
  expect(Object.keys(examples).sort()).toEqual(names.sort())
})

test.each(Object.entries(examples).flatMap(([name, lines]) => lines.map((line) => [line, name] as const)))(
  'the example is a command that can be typed: %s',
  async (line, name) => {
    const { program, ran } = await dryProgram()
    await program.parseAsync(wordsOf(line), { from: 'user' })
    expect(ran).toEqual([name])
  },
)

test('help shows them', async () => {
  let help = ''
  const program = new Command('puzzleflow').exitOverride().configureOutput({ writeOut: (text) => (help += text) })
  await addCommands(program, 'scores')
  for (const [, command] of leaves(program))
    command.exitOverride().configureOutput({ writeOut: (text) => (help += text) })
  await expect(program.parseAsync(['scores', '--help'], { from: 'user' })).rejects.toThrow()
  expect(help).toContain('Examples:\n  puzzleflow scores quickstart\n')
})
