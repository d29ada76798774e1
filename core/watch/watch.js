/* watch.js - keeps the page as new as the run. The server says what has changed (server-sent events); what the page
 * shows of it is made by the server too, and fetched whole. Texts go in as text, never as markup. */
"use strict";

const byId = id => document.getElementById(id);
const parts = byId("parts");
let shown = Number(parts.dataset.version); // the version of what stands on the page
let wanted = shown;
let isFetching = false;

async function refresh() {
    if (isFetching)
        return;
    isFetching = true;
    try {
        const answer = await fetch("/parts", { cache: "no-store" });
        if (answer.ok) {
            const version = Number(answer.headers.get("Winnow-Version"));
            const strip = byId("newest") ? byId("newest").scrollLeft : 0;
            parts.innerHTML = await answer.text();
            if (byId("newest"))
                byId("newest").scrollLeft = strip;
            shown = version;
        }
    } catch (error) {
        // the server is gone: the stream notices, and asks again when it is back
    }
    isFetching = false;
    if (shown < wanted)
        setTimeout(refresh, 500);
}

function want(version) {
    wanted = version;
    if (shown !== wanted)
        refresh();
}

function showProgress(p) {
    byId("name").textContent = p.name;
    document.title = p.name + " - winnow watch";
    byId("state").textContent = p.state;
    byId("state").className = p.state;
    byId("text").textContent = p.text;
    if (p.share === null)
        byId("bar").removeAttribute("value");
    else
        byId("bar").value = p.share;
    want(p.version);
}

function showLink(text, isLost) {
    byId("link").textContent = text;
    byId("link").className = isLost ? "lost" : "";
}

function connect() {
    const stream = new EventSource("/events");
    stream.onopen = () => showLink("\u00b7 live", false);
    stream.addEventListener("progress", event => showProgress(JSON.parse(event.data)));
    stream.addEventListener("reset", () => {
        shown = 0;
        refresh();
    });
    stream.onerror = () => {
        showLink("\u00b7 no connection, trying again", true);
        if (stream.readyState === EventSource.CLOSED)
            setTimeout(connect, 5000); // it does not try again by itself where the server refused
    };
}

// Small pictures are shown with their pixels, as in the report. Load events do not bubble, but they can be caught.
document.addEventListener("load", event => {
    if (event.target.tagName === "IMG" && event.target.naturalWidth <= 160)
        event.target.className = "small";
}, true);

connect();
