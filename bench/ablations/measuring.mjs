// The figures of a child, before and after uptraining. They are kept: the same child is measured once.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { mainMetric } from '../../dist/data/task.js'
import { readSequences } from '../../dist/data/sequences.js'
import { Head } from '../../dist/model/index.js'
import { readChild } from '../../dist/puzzle/child.js'
import { lastHidden, openYardstick } from '../../dist/puzzle/evaluation.js'
import { asTask, assemble, chosenEntries } from '../../dist/puzzle/library.js'
import { uptrain } from '../../dist/plugins/stages/uptrain.js'
import { openParent } from '../../dist/puzzle/parent.js'
import { respondentOf } from '../../dist/puzzle/respondent.js'
import { answersToAll } from '../../dist/puzzle/task-answers.js'
import { uptrainChild } from '../../dist/puzzle/uptraining.js'
import { processors } from '../../dist/tensor/processors.js'
import { writeWhole } from '../pages.mjs'
import { digestOf } from './searches.mjs'

/** Sequences whose KL is one figure: the standard error of a KL comes from these groups. */
const group = 8
/** Raised when figures would differ. */
const version = 1
const threads = processors()

/** Measures children of the quickstart's parent on its test data. */
export class Laboratory {
  /** @param onlyKept  whether nothing is measured now */
  constructor(folder, sizes, onlyKept) {
    Object.assign(this, { folder, sizes, onlyKept })
  }

  /** The parent and what models are measured with: the same in all searches. */
  async open(search) {
    this.opened ??= (async () => {
      const parent = await openParent(search)
      const { test, testTasks } = search.stages.prepare.files
      const with_ = { ...this.sizes, threads }
      const { scenario } = search.spec.target
      return {
        parent,
        yardstick: await openYardstick(search, parent, { validate: test, tasks: testTasks }, [scenario], with_),
      }
    })()
    return this.opened
  }

  /** KL by group of sequences, and the score of every item by task. */
  async figures(model, { parent, yardstick }) {
    const { held, final, tasks } = yardstick
    const states = model === parent ? final : await lastHidden(model, held, threads)
    const head = await Head.create(model, threads, parent)
    const kl = []
    for (let first = 0; first + group <= held.count; first += group) {
      const [from, to] = [first * held.length, (first + group) * held.length]
      const rows = (data) => data.subarray(from * parent.config.hidden, to * parent.config.hidden)
      const c = await head.compare(
        rows(final),
        rows(states),
        held.ids.subarray(from, to),
        held.mask.subarray(from, to),
        held.length,
      )
      kl.push(c.kl / c.tokens)
    }
    const answers = await answersToAll(tasks, respondentOf(model, head, threads), () => {})
    await head.release()
    const scores = Object.entries(tasks).map(([name, task]) => [name, answers[name].scores[mainMetric(task).key]])
    return { kl, tasks: Object.fromEntries(scores) }
  }

  /** The parent's figures, with which children are compared. */
  async ofParent(search) {
    return this.kept(search, { of: 'parent' }, async () => {
      const lab = await this.open(search)
      return this.figures(lab.parent, lab)
    })
  }

  /** A child's figures. @param losses  of its uptraining; none: it is not trained */
  async ofChild(search, { parts, choice }, losses) {
    const { fillings, inputs } = asTask(chosenEntries(parts.library, choice))
    const child = { fillings, inputs }
    const before = await this.kept(search, { of: 'child', ...child }, async () => {
      const lab = await this.open(search)
      return this.figures(assemble(lab.parent, fillings, inputs, search), lab)
    })
    if (losses.length === 0) return { before, after: before }
    const { uptrain: tokens, batch } = this.sizes
    const training = { tokens, batch, learningRate: 0.001, weightDecay: 0.01, losses, seed: search.seed }
    const after = await this.kept(
      search,
      { of: 'trained child', ...child, training, trainer: uptrain.version },
      async (key) => {
        const lab = await this.open(search)
        const model = assemble(lab.parent, fillings, inputs, search)
        const text = await readSequences(search, search.stages.prepare.files.train)
        const checkpoint = join(this.folder, 'checkpoints', key)
        mkdirSync(checkpoint, { recursive: true })
        const weights = join(checkpoint, 'child.safetensors')
        const running = { threads, checkpoint, signal: new AbortController().signal, progress: () => {} }
        await uptrainChild(lab.parent, model, fillings, text, training, running, weights)
        const figures = await this.figures(await readChild(model, weights), lab)
        rmSync(checkpoint, { recursive: true })
        return figures
      },
    )
    return { before, after }
  }

  async kept({ stages, inputDigests }, parts, make) {
    const { items, sequences } = this.sizes
    const key = digestOf({ version, items, sequences, model: inputDigests.model, data: stages.prepare.files, ...parts })
    const file = join(this.folder, 'figures', `${key}.json`)
    if (!existsSync(file) && this.onlyKept) return undefined
    if (!existsSync(file)) writeWhole(file, JSON.stringify(await make(key)))
    return JSON.parse(readFileSync(file, 'utf8'))
  }
}
