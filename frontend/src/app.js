// The whole behavior of the console. Every page works without it; this makes pages quicker and kinder.

import "./styles/app.css";
import "htmx.org";

import { watchCharts } from "./modules/charts.js";
import { watchCopyButtons } from "./modules/copy.js";
import { watchCreateSheet } from "./modules/create_sheet.js";
import { watchDownloads } from "./modules/downloads.js";
import { watchOverlays } from "./modules/overlays.js";
import { watchChoices, watchFilters } from "./modules/filters.js";
import { watchMenus } from "./modules/menus.js";
import { watchPasswords } from "./modules/passwords.js";
import { watchPlayground } from "./modules/playground.js";
import { showPresentEntry } from "./modules/settings_menu.js";
import { watchShortcuts } from "./modules/shortcuts.js";
import { watchTestCalls } from "./modules/test_call.js";
import { watchToasts } from "./modules/toasts.js";
import { watchTimeZone } from "./modules/time_zone.js";

// Listeners stand on the document once; what looks at elements runs again after each swap.
watchCopyButtons();
watchDownloads();
watchFilters();
showPresentEntry();
watchMenus();
watchPasswords();
watchShortcuts();
watchTestCalls();

const onEveryContent = [watchOverlays, watchCreateSheet, watchChoices, watchCharts, watchPlayground, watchToasts, watchTimeZone];
const lookAround = () => onEveryContent.forEach((look) => look());
document.addEventListener("htmx:after:swap", lookAround);
lookAround();
