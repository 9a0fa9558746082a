import { Command } from 'commander'
import { expect, test } from 'vitest'
import { addCommands, modules } from '../../cli/command-list.js'

const names = (program: Command) => program.commands.map((command) => command.name())

test('every command is listed with the module that adds it', async () => {
  for (const [listed, load] of modules) {
    const program = new Command()
    ;(await load())(program)
    expect(names(program)).toEqual(listed.split(' '))
  }
})

test('of a command that is asked for its module alone is loaded; what is no command gets them all', async () => {
  const [one, all] = [new Command(), new Command()]
  await addCommands(one, 'scores')
  expect(names(one)).toEqual(['result', 'scores', 'profile'])
  await addCommands(all, 'score')
  expect(names(all)).toEqual(modules.flatMap(([listed]) => listed.split(' ')))
})
