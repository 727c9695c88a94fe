// What other folders may use of texts for customers.
export {
  type BusinessTexts,
  checkTexts,
  filledIn,
  languagesOf,
  spoken,
  type TextByLanguage,
  unknownLabels,
  type Voice,
  voiceOf,
} from './business-texts.ts';
export { type CustomerTexts, DEFAULT_TEXTS } from './defaults.ts';
export { type LanguageReader, languageReader, mainLanguage } from './language.ts';
