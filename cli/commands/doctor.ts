import type { Command } from 'commander'
import { existsSync } from 'node:fs'
import { action } from '../action.js'
import { failed, ok, type Check } from '../doctor/check.js'
import { engineChecks } from '../doctor/engines.js'
import { folderChecks } from '../doctor/folders.js'
import { machineChecks } from '../doctor/machine.js'
import { modelChecks } from '../doctor/model.js'
import { serverCheck } from '../doctor/server.js'
import { exitCodes } from '../exit-codes.js'
import { reading, type SpecOptions } from '../options.js'
import { coloursOfOutput, print, printJson } from '../output.js'
import { readSettings, settingsPlaces } from '../settings.js'

/** Says what this machine lacks for a search, and how to fix it. */
export function doctorCommand(program: Command): void {
  reading(
    program
      .command('doctor [model]')
      .description('check this machine, and a model, for what a search needs, and say how to fix what is missing'),
  ).action(
    action(async (model: string | undefined, options: SpecOptions) => {
      const checks = [
        ...machineChecks(),
        ...(await engineChecks()),
        ...(await settingsChecks(options)),
        ...(model === undefined ? [] : await modelChecks(model, options)),
      ]
      const [first] = checks.filter(({ state }) => state === 'missing')
      const exitCode = exitCodes[first?.kind ?? 'Done']
      if (options.json) printJson({ ok: first === undefined, exitCode, checks })
      else for (const line of table(checks)) print(line)
      process.exitCode = exitCode
    }),
  )
}

/** The settings files, and what they may name: server and store. */
async function settingsChecks(options: SpecOptions): Promise<Check[]> {
  const name = 'settings'
  try {
    readSettings()
  } catch (error) {
    return [failed(name, error)]
  }
  const files = settingsPlaces().filter((file) => existsSync(file))
  const found = files.length === 0 ? `none (${settingsPlaces().join(', ')})` : files.join(', ')
  return [ok(name, found), await serverCheck(options), ...(await folderChecks(options))]
}

const colours = {
  ok: coloursOfOutput.green,
  optional: coloursOfOutput.dim,
  warning: coloursOfOutput.yellow,
  missing: coloursOfOutput.red,
}

/** A line for each check, and one for how to fix it. */
function table(checks: readonly Check[]): string[] {
  const states = Object.keys(colours) as Check['state'][]
  const [first, second] = [states, checks.map(({ name }) => name)].map(
    (words) => Math.max(...words.map((word) => word.length)) + 2,
  ) as [number, number]
  const below = ' '.repeat(first + second)
  const lines = checks.flatMap(({ name, state, found, remedy }) => [
    `${colours[state](state.padEnd(first))}${name.padEnd(second)}${found.replaceAll('\n', `\n${below}`)}`,
    ...(remedy === undefined ? [] : [`${below}${remedy}`]),
  ])
  const count = (state: Check['state']) => checks.filter((check) => check.state === state).length
  const lacks = count('missing')
  const verdict =
    lacks === 0 ? 'Searches can run here.' : `No search can run here until what is missing (${lacks}) is fixed.`
  return [...lines, '', count('warning') > 0 && lacks === 0 ? `${verdict} Warnings: ${count('warning')}.` : verdict]
}
