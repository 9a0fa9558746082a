import { likelihoods, Tokenizer, type Head, type Model } from '../model/index.js'
import type { Respondent } from './task-answers.js'

/** Answers of a model, computed layer by layer. */
export const respondentOf = (model: Model, head: Head, threads: number): Respondent => ({
  model,
  threads,
  likelihoods: (items) => likelihoods(model, head, items, threads),
  tokenizer: () => Tokenizer.open(model.folder, model.config.vocabulary),
})
