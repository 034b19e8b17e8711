//! `refresh`: a body in a task of its own still says `self`, also where items in it have their own.
#![deny(warnings)]

use std::fmt::Display;
use std::sync::Arc;

use klg_lock::{cached, mutex_lock};
use klg_lock_ui_tests::{AppError, on_memory, send};

#[derive(Clone)]
struct Service {
    name: String,
}

impl Service {
    #[cached("{self.name}:{id}", stale = "1m", refresh = background)]
    #[mutex_lock("{self.name}:{id}", guard = lock)]
    async fn borrowed(&self, id: u64, words: Vec<String>) -> Result<String, AppError> {
        trait Shown {
            fn shown(&self) -> String;
        }
        impl Shown for u64 {
            fn shown(&self) -> String {
                self.to_string()
            }
        }
        fn plain(this: &Service) -> &str {
            &this.name
        }
        let plain: fn(&Service) -> &str = plain;
        let Self { name } = self;
        let again = async { self.name.len() }.await;
        assert!(lock.is_valid());
        if words.is_empty() {
            return Ok(String::new());
        }
        Ok([plain(self), name, &id.shown(), &again.to_string(), &words[0]].join(" "))
    }

    #[cached("owned:{self.name}", refresh = background)]
    async fn owned(self: Arc<Self>) -> usize {
        self.name.len()
    }

    #[cached("by_reference:{self.name}", refresh = background)]
    async fn by_reference(self: &Arc<Self>) -> usize {
        self.name.len()
    }

    #[cached("other:{id}", refresh = self.clone().load(id.to_string()))]
    async fn another_future(&self, id: &str) -> Result<String, AppError> {
        Ok(format!("{}{id}", self.name))
    }

    async fn load(self, id: String) -> Result<String, AppError> {
        Ok(self.name + &id)
    }
}

#[cached("free:{id}", refresh = background, unless = |text| text.is_empty())]
async fn free<T: Display + Send + 'static>(id: T) -> String {
    id.to_string()
}

#[cached("foreground:{id}", refresh = foreground)]
async fn foreground(id: &str) -> String {
    id.to_owned()
}

fn main() {
    on_memory(async {
        let service = Service { name: "s".into() };
        let words = vec!["word".into()];
        assert_eq!(send(service.borrowed(1, words)).await.unwrap(), "s s 1 1 word");
        assert_eq!(send(service.borrowed(2, Vec::new())).await.unwrap(), "");
        assert_eq!(send(service.another_future("x")).await.unwrap(), "sx");
        let service = Arc::new(service);
        assert_eq!(send(service.by_reference()).await, 1);
        assert_eq!(send(service.owned()).await, 1);
        assert_eq!(send(free(5)).await, "5");
        assert_eq!(send(foreground("x")).await, "x");
    });
}
