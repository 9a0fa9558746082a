import type { Argument, Command, Option } from 'commander'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import { readStore } from './open-store.js'
import { readRun, readRuns } from './runs.js'

/** What could come next, with words about it. */
export interface Candidate {
  readonly word: string
  readonly about?: string
}

/** Adds the command of a name to a program; all of them if there is none of this name. */
export type AddCommands = (program: Command, asked?: string) => Promise<void>

/**
 * What the last of the words after the program's name could become.
 * @param program  without commands: those that are needed are added
 */
export async function candidates(
  program: Command,
  words: readonly string[],
  addCommands: AddCommands,
): Promise<readonly Candidate[]> {
  const current = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  await addCommands(program, before[0])
  const [command, given] = commandOf(program, before)
  const all = await possible(command, given, current)
  return all.filter(({ word }) => word.startsWith(current))
}

/** The command that the words name so far, and those that follow its name. */
function commandOf(program: Command, words: readonly string[]): [command: Command, given: readonly string[]] {
  const next = program.commands.find((own) => own.name() === words[0])
  return next ? commandOf(next, words.slice(1)) : [program, words]
}

async function possible(command: Command, given: readonly string[], current: string): Promise<readonly Candidate[]> {
  const store = given[given.indexOf('--store') + 1]
  const options = given.includes('--store') && store !== undefined ? { store } : {}
  const asked = optionOf(command, given.at(-1))
  if (asked && takesValue(asked)) return valuesOf(asked, given, options)
  if (current.startsWith('-'))
    return command.options.flatMap(({ long, description }) => (long ? [{ word: long, about: description }] : []))
  if (command.commands.length > 0) return namesOf(command)
  const positional = given.filter((word, i) => !word.startsWith('-') && !takesValue(optionOf(command, given[i - 1])))
  const argument = command.registeredArguments[positional.length]
  return argument ? argumentsOf(argument, positional, options) : []
}

const optionOf = (command: Command, word = ''): Option | undefined =>
  word.startsWith('-') ? command.options.find(({ long, short }) => long === word || short === word) : undefined

const takesValue = (option: Option | undefined): boolean => option !== undefined && (option.required || option.optional)

/** Its commands, as its help lists them: without hidden ones. */
const namesOf = (command: Command): Candidate[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .map((own) => ({ word: own.name(), about: own.description() }))

interface Place {
  readonly store?: string
}

async function valuesOf(option: Option, given: readonly string[], place: Place): Promise<readonly Candidate[]> {
  if (option.argChoices) return option.argChoices.map((word) => ({ word }))
  if (option.long === '--run' || option.long === '--keep') return runs(place)
  return []
}

async function argumentsOf(
  argument: Argument,
  positional: readonly string[],
  place: Place,
): Promise<readonly Candidate[]> {
  if (argument.argChoices) return argument.argChoices.map((word) => ({ word }))
  const name = argument.name()
  if (name === 'run') return runs(place)
  if (name !== 'stage' && name !== 'task') return []
  const stages = await stagesOf(positional[0] ?? '', place)
  return stages.map((stage) => ({ word: name === 'task' ? `${stage}/` : stage }))
}

// Where nothing can be read, nothing is proposed.
const runs = async (place: Place): Promise<Candidate[]> => {
  const known = await readStore(place)
    .then(readRuns)
    .catch(() => [])
  return known.map(({ run, name }) => ({ word: run, ...(name !== run && { about: name }) }))
}

async function stagesOf(run: string, place: Place): Promise<readonly string[]> {
  try {
    const store = await readStore(place)
    const { plan } = await readRun(store, run)
    return ((await store.readJson(plan)) as FrozenPlan).stages.map(({ name }) => name)
  } catch {
    return []
  }
}
