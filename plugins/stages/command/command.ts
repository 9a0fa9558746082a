import { mkdirSync, rmSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, type JsonObject, type Outputs, type SingleStage } from '../../../api/index.js'
import { placeInputs, type CommandInput } from './inputs.js'
import { collectOutputs } from './outputs.js'
import { runProgram } from './process.js'
import { placeProgram, type SourceFile } from './program.js'
import { Sayings } from './sayings.js'
import type { Digest } from '../../../store/digest.js'
import { telemetryOff } from '../../../tensor/telemetry.js'

interface CommandParams {
  readonly command: readonly [string, ...string[]]
  /** The program's files, as listed in the plan. */
  readonly sources: readonly SourceFile[]
  /** Digest of command and sources, which the plan contains, too. */
  readonly program: Digest
  readonly inputs?: Readonly<Record<string, CommandInput>>
  readonly files: Readonly<Record<string, string>>
  readonly parameters: JsonObject
  readonly environment: readonly string[]
}

/** With less than so many free bytes, a program has failed because of the disk. */
const fullBelow = 4 * 2 ** 20

/** Version of the contract in docs/command-stages.md. */
const contract = 1

/**
 * Runs a program in any language (docs/command-stages.md): files in, files out. It runs with the user's rights, so only programs
 * that the user has allowed are run. A separate working folder, environment and session limit the effects of mistakes.
 */
export const command: SingleStage<CommandParams> = {
  name: 'command',
  version: 1,
  about: { summary: 'Runs a program in any language: files in, files out.' },
  reads: [],
  parameters: {
    type: 'object',
    additionalProperties: false,
    required: ['command'],
    program: true,
    properties: {
      command: {
        type: 'array',
        minItems: 1,
        maxItems: 10_000,
        items: { type: 'string', not: { pattern: '\\$\\{\\{' } },
        description:
          'The program and its arguments, without a shell. Values that differ between runs belong in `parameters`.',
      },
      sources: {
        type: 'array',
        maxItems: 10_000,
        items: { type: 'string', minLength: 1, not: { pattern: '\\$\\{\\{' } },
        default: [],
        description: 'Files and folders of the program, next to the spec. They are part of the key.',
      },
      inputs: {
        type: 'object',
        propertyNames: { pattern: '^[A-Za-z0-9_-][A-Za-z0-9._-]*$' },
        description:
          'Outputs of stages by name: ${{ stages.NAME.outputs.files.FILE }}. Default: all outputs of the stages it needs.',
      },
      files: {
        type: 'object',
        default: {},
        propertyNames: { pattern: '^[A-Za-z0-9_-][A-Za-z0-9._-]*$' },
        additionalProperties: { type: 'string', format: 'path' },
        description: 'Data files and folders, by name.',
      },
      parameters: { type: 'object', default: {}, description: 'Parameters of the program; expressions are resolved.' },
      environment: {
        type: 'array',
        maxItems: 1000,
        items: { type: 'string', pattern: '^[A-Za-z_][A-Za-z0-9_]*$' },
        default: [],
        description:
          'Environment variables of the worker that the program receives, besides PATH and LANG. Not part of the key.',
      },
    },
  },

  async run(context) {
    const { params, scratch, signal } = context
    const folder = join(scratch, 'work')
    const temporary = join(scratch, 'temporary')
    for (const made of [folder, temporary, join(folder, 'inputs'), join(folder, 'outputs')]) mkdirSync(made)
    placeProgram(params.command, { digest: params.program, sources: params.sources }, folder)
    const inputs = await placeInputs(context, params, join(folder, 'inputs'))
    symlinkSync(context.checkpoint, join(folder, 'checkpoint'))
    const task = {
      contract,
      parameters: params.parameters,
      seed: context.seed,
      threads: context.threads,
      inputs,
      values: Object.fromEntries(Object.entries(context.stages).map(([name, { values }]) => [name, values])),
      outputs: 'outputs',
      checkpoint: 'checkpoint',
    }
    writeFileSync(join(folder, 'task.json'), JSON.stringify(task, null, 1))

    const sayings = new Sayings(context)
    try {
      const ending = await runProgram({
        command: params.command,
        folder,
        environment: environmentOf(params, folder, temporary, context.threads),
        onLine: (line, from) => sayings.hear(line, from),
        signal,
      })
      signal.throwIfAborted()
      const [program] = params.command
      if (ending.kind === 'not started')
        throw new Failure('InvalidInput', `The program ${program} cannot be started: ${ending.code}`, {
          remedy: 'Install it on the machines that run this stage, or list the executable file under `sources`.',
        })
      if (ending.kind === 'ended' && ending.code !== 0 && free(scratch) < fullBelow) throw diskFull(scratch)
      if (ending.kind === 'ended') checkExit(ending, program, sayings)
    } finally {
      // Links to artifacts are removed first, so that nothing is removed through them.
      rmSync(join(folder, 'inputs'), { recursive: true, force: true })
    }
    return collectOutputs(context, join(folder, 'outputs')) satisfies Promise<Outputs>
  },
}

function environmentOf(
  { environment }: CommandParams,
  folder: string,
  temporary: string,
  threads: number,
): Record<string, string> {
  const inherited = (name: string) => (process.env[name] === undefined ? {} : { [name]: process.env[name] })
  const count = String(threads)
  return Object.assign(
    { HOME: folder, TMPDIR: temporary, LANG: 'C.UTF-8' },
    { OMP_NUM_THREADS: count, OPENBLAS_NUM_THREADS: count, MKL_NUM_THREADS: count, PYTHONDONTWRITEBYTECODE: '1' },
    ...['PATH', 'LANG', ...environment].map(inherited),
    telemetryOff,
  ) as Record<string, string>
}

/** Handles the exit codes of the contract: 75 and 65 as in sysexits.h, and 2 for wrong arguments. */
function checkExit(
  { code, signal }: { readonly code: number | null; readonly signal: string | null },
  program: string,
  sayings: Sayings,
): void {
  if (code === 0) return
  const { message = sayings.last, remedy } = sayings.error ?? {}
  const how = signal === null ? `exit code ${code}` : `${signal}`
  const text = `The program ${program} ended with ${how}${message === '' ? '' : `: ${message}`}`
  const see = 'See logs/tasks.log in the store for the output of the program.'
  if (code === 75) throw new Failure('TryAgain', text, { remedy: remedy ?? see })
  if (code === 2 || code === 65)
    throw new Failure('InvalidInput', text, {
      remedy: remedy ?? 'Check its parameters and inputs: the program refused them.',
    })
  throw Object.assign(new Error(text), { remedy: remedy ?? see })
}

const free = (folder: string) => {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

const diskFull = (folder: string) =>
  new Failure('OutOfDisk', `The disk is full: ${folder}`, {
    remedy: 'Free some space, or choose another store with --store. Finished work is kept.',
  })
