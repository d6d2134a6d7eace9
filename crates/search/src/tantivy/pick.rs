//! A query that looks at the columns of each document: what no term and no range says.

use std::fmt;
use std::sync::Arc;

use tantivy::query::{ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SeekDangerResult, SegmentReader, TERMINATED, TantivyError};

/// Whether a document of a segment passes; they come in order, each once.
pub(super) type Passes = Box<dyn FnMut(DocId) -> bool + Send>;

/// What is asked of documents.
pub(super) trait Pick: Send + Sync + 'static {
    /// Reads what it needs of a segment; nothing when no document of it passes.
    fn of(&self, reader: &SegmentReader) -> tantivy::Result<Option<Passes>>;
}

/// The query.
#[derive(Clone)]
pub(super) struct Picked(Arc<dyn Pick>);

impl Picked {
    pub(super) fn query(pick: impl Pick) -> Box<dyn Query> {
        Box::new(Picked(Arc::new(pick)))
    }
}

impl fmt::Debug for Picked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Picked")
    }
}

impl Query for Picked {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Picked {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(match self.0.of(reader)? {
            None => Box::new(EmptyScorer),
            Some(passes) => Box::new(ConstScorer::new(Documents::new(reader, passes), boost)),
        })
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("nothing to explain".into()))
    }
}

/// Documents that another query does not find. tantivy's own exclusion asks some queries for
/// documents that they have passed already, which they do not bear.
#[derive(Debug)]
pub(super) struct Lacking(Box<dyn Query>);

impl Lacking {
    pub(super) fn query(query: Box<dyn Query>) -> Box<dyn Query> {
        Box::new(Lacking(query))
    }
}

impl Clone for Lacking {
    fn clone(&self) -> Lacking {
        Lacking(self.0.box_clone())
    }
}

impl Query for Lacking {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(LackingWeight(self.0.weight(scoring)?)))
    }
}

struct LackingWeight(Box<dyn Weight>);

impl Weight for LackingWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut found = self.0.scorer(reader, 1.0)?;
        let passes: Passes = Box::new(move |doc| {
            if found.doc() < doc {
                found.seek(doc);
            }
            found.doc() != doc
        });
        Ok(Box::new(ConstScorer::new(Documents::new(reader, passes), boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("nothing to explain".into()))
    }
}

struct Documents {
    at: DocId,
    end: DocId,
    passes: Passes,
}

impl Documents {
    fn new(reader: &SegmentReader, passes: Passes) -> Documents {
        let mut documents = Documents { at: 0, end: reader.max_doc(), passes };
        documents.forward(0);
        documents
    }

    fn forward(&mut self, from: DocId) -> DocId {
        let passes = &mut self.passes;
        self.at = (from..self.end).find(|doc| passes(*doc)).unwrap_or(TERMINATED);
        self.at
    }
}

impl DocSet for Documents {
    fn advance(&mut self) -> DocId {
        if self.at == TERMINATED { TERMINATED } else { self.forward(self.at + 1) }
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.at >= target { self.at } else { self.forward(target) }
    }

    /// Looks at one document, where looking for the next that passes might go through many.
    fn seek_danger(&mut self, target: DocId) -> SeekDangerResult {
        if target >= self.end || self.at == TERMINATED {
            self.at = TERMINATED;
            return SeekDangerResult::SeekLowerBound(TERMINATED);
        }
        if self.at == target {
            return SeekDangerResult::Found;
        }
        self.at = target;
        match (self.passes)(target) {
            true => SeekDangerResult::Found,
            false => SeekDangerResult::SeekLowerBound(target + 1),
        }
    }

    fn doc(&self) -> DocId {
        self.at
    }

    fn size_hint(&self) -> u32 {
        self.end
    }

    /// Each document is looked at: others lead.
    fn cost(&self) -> u64 {
        u64::from(self.end) * 4
    }
}
