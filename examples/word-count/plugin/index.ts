import { definePlugin, defineStage } from 'puzzleflow/plugin'
import { countWords } from './count-words.js'
import { splitText } from './split-text.js'
import { wordReport } from './word-report.js'

/** Three stages that count the words of a text: a list of chunks, a task for each, one page about all. */
export default definePlugin({
  stages: [defineStage(splitText), defineStage(countWords), defineStage(wordReport)],
})
