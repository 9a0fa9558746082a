import { fork, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Failure } from '../../api/index.js'
import { processEnvironment } from '../../tensor/process-environment.js'
import { packageRoot } from '../../store/paths.js'
import type { Model } from '../model.js'
import { writeGguf } from '../gguf/write.js'
import type { CachePrecision, Scenario, TimedModel, Timing, WeightPrecision } from '../scenario.js'
import { findLlamaCpp } from './find.js'

/** Type of the matrices when models are timed and their memory is computed, as in `puzzleflow export --dtype float16`. */
export const matrixType = ({ weights = 'float16' }: Scenario): WeightPrecision => weights

/** Types of caches as llama.cpp calls them. */
const cacheTypes: Readonly<Record<CachePrecision, string>> = {
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int8: 'Q8_0',
}

/** A model in llama.cpp, ready to be timed. */
export class LlamaTimed implements TimedModel {
  private constructor(private readonly child: ChildProcess) {}

  /** Starts llama.cpp with a model.
   *  @throws Failure InvalidInput if llama.cpp is not installed, or GGUF cannot represent the model */
  static async create(model: Model, scenario: Scenario, threads: number): Promise<LlamaTimed> {
    const { entry } = findLlamaCpp()
    const folder = await mkdtemp(join(tmpdir(), 'puzzleflow-llama-'))
    const file = join(packageRoot(), 'model/llama-cpp/process.mjs')
    const timed = new LlamaTimed(
      fork(file, [], {
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
        execArgv: [],
        env: processEnvironment(process.env),
      }),
    )
    try {
      const modelPath = join(folder, 'model.gguf')
      await writeGguf(model, modelPath, { dtype: matrixType(scenario), tokenizer: 'ids' })
      const { batch, prefill, generate, cache = 'float16' } = scenario
      const { vocabulary } = model.config
      const load = { batch, prefill, generate, cacheType: cacheTypes[cache], vocabulary, threads }
      await timed.ask({ kind: 'open', entry, modelPath, ...load })
      return timed
    } catch (error) {
      await timed.release()
      throw error
    } finally {
      // llama.cpp has mapped the file and no longer needs its name.
      await rm(folder, { recursive: true, force: true })
    }
  }

  /** Runs one pass: the prompt, then token by token. */
  async pass(): Promise<Timing> {
    return (await this.ask({ kind: 'pass' })) as Timing
  }

  async processorSeconds(): Promise<number> {
    return (await this.ask({ kind: 'processorSeconds' })) as number
  }

  async release(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = new Promise((resolve) => this.child.once('exit', resolve))
    this.child.kill('SIGKILL')
    await ended
  }

  private ask(question: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const done = () => {
        this.child.off('message', answered)
        this.child.off('exit', died)
      }
      const answered = (answer: unknown) => {
        const { value, error } = answer as { readonly value?: unknown; readonly error?: string }
        done()
        if (error === undefined) resolve(value)
        else reject(new Failure('InvalidInput', `llama.cpp cannot run the model: ${error}`))
      }
      const died = (code: number | null, signal: string | null) => {
        done()
        reject(new Error(`llama.cpp ended with ${signal ?? code}`))
      }
      this.child.on('message', answered)
      this.child.on('exit', died)
      this.child.send(question)
    })
  }
}
