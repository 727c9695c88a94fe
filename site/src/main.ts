import { listModels, loadInWorker, outlineModel, pullModel, removeModel, trainInWorker } from 'onebit/browser';

Object.assign(globalThis, { loadInWorker, trainInWorker, outlineModel, pullModel, listModels, removeModel });
