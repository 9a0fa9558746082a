import { definePlugin, defineStage } from 'puzzleflow/plugin'
import { sensitivity } from './sensitivity.js'

/** One stage, which reads what the stage `score` of pipeline `puzzle` found. */
export default definePlugin({ stages: [defineStage(sensitivity)] })
