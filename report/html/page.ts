import { attempts, conditions } from './conditions.js'
import { htmlDocument } from './document.js'
import { comparison, headline } from './headline.js'
import { architecture, scoreMap } from './layers.js'
import { html } from './markup.js'
import { firstRound } from './first-round.js'
import { omissions, origin } from './origin.js'
import type { ReportData } from './report-data.js'
import { search } from './search.js'
import { tasks } from './tasks.js'
import { continuations } from './texts.js'
import { time, training } from './training.js'

/** A page about a search in one file. Its figures are those of `result.json`. */
export const reportPage = (data: ReportData): string =>
  htmlDocument(
    `${data.result.run}: ${data.result.verdict}`,
    html`${headline(data)} ${comparison(data)} ${conditions(data)} ${tasks(data)} ${continuations(data)}
    ${architecture(data)} ${search(data)} ${attempts(data)} ${training(data)}
    ${scoreMap('Scores', data.scores ?? [], data.result.child.layers.length)} ${firstRound(data)} ${time(data)}
    ${omissions(data.result)} ${origin(data.result, data)}`,
  )
