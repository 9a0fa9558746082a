import { Command, CommanderError } from 'commander'
import { addCommands } from '../../cli/command-list.js'
import { exitCodes } from '../../cli/exit-codes.js'
import type { Ended, Place } from './puzzleflow.js'

/**
 * Runs a command of a place to its end in this process, which takes a tenth of the time that a process of its own takes to
 * start. For commands that start no process, ask no server and do not end by themselves.
 */
export async function runHere({ folder, environment }: Place, ...args: readonly string[]): Promise<Ended> {
  const [cwd, env, code] = [process.cwd(), process.env, process.exitCode]
  const text = { stdout: '', stderr: '' }
  const writes = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name]
    const write = stream.write.bind(stream)
    stream.write = (chunk: string | Uint8Array) => {
      text[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
      return true
    }
    return () => void (stream.write = write)
  })
  process.chdir(folder)
  process.env = { ...environment }
  process.exitCode = undefined
  try {
    // As in cli/main.ts.
    const program = new Command('puzzleflow')
      .configureOutput({ writeOut: (own) => process.stdout.write(own), writeErr: (own) => process.stderr.write(own) })
      .exitOverride()
    await addCommands(program, args[0])
    await program.parseAsync(args, { from: 'user' })
    return { code: Number(process.exitCode ?? 0), ...text }
  } catch (error) {
    if (error instanceof CommanderError) return { code: exitCodes.InvalidInput, ...text }
    throw error
  } finally {
    for (const restore of writes) restore()
    process.chdir(cwd)
    process.env = env
    process.exitCode = code
  }
}
